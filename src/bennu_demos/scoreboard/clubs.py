"""The clubs of the league and their players. All of them are made up."""

from __future__ import annotations

from random import Random
from typing import Final

from msgspec import Struct

__all__ = ["CLUBS", "Club", "squad"]


class Club(Struct, frozen=True):
    """A club."""

    code: str
    name: str


CLUBS: Final = [
    Club("ALD", "Alderport United"),
    Club("BRX", "Brixwell Rovers"),
    Club("CAR", "Carrow Athletic"),
    Club("DUN", "Dunmere City"),
    Club("EST", "Estuary Wanderers"),
    Club("FEN", "Fenwick Town"),
    Club("WBK", "Wolverhaven and Bishop's Kirkby District Railway Athletic"),
    Club("NJM", "نادي النجوم الرياضي"),
    Club("GLN", "Glenholm"),
    Club("HAL", "Halcyon Albion"),
    Club("IRW", "Irwell Forest"),
    Club("KES", "Kestrel Park"),
    Club("LOM", "Lomond Thistle"),
    Club("MER", "Meridian"),
    Club("ORC", "Orchard Vale"),
    Club("PEN", "Penrose Harriers"),
]

SURNAMES: Final = """
Abara Achterberg Almeida Anders Baptiste Barlow Bauer Belova Castellano Cho Clarke Costa Dahl Demir Diallo Duarte
Eriksen Fairweather Ferrari Fofana Garcia Gruber Haas Hansen Hughes Ibrahim Ito Jansen Kaya Keita Kovač Larsen Laurent
Lindqvist Mbeki Mendes Moreau Nakamura Navarro Nkosi Novák Ó'Brien Okafor Olsen Pereira Petrov Quist Ramos Reid Rossi
Saidi Santos Schäfer Silva Sørensen Suzuki Tanaka Tomić Traoré Ueda Van-der-Meer Varga Vasquez Weber Yildirim Zhou
""".split()  # noqa: SIM905 - a list would have a line for each


def squad(random: Random) -> list[str]:
    """Return the players of a club: eleven, and five who can come in."""
    return [
        f"{random.choice('ABCDEFGIJKLMNOPRSTVY')}. {name}" for name in random.sample(SURNAMES, 16)
    ]
