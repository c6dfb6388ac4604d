"""The companies of the simulated market. All of them are made up."""

from __future__ import annotations

from random import Random
from typing import Final

from msgspec import Struct

__all__ = ["Company", "companies"]

FIRST: Final = """
Alder Amber Arden Argent Aster Atlas Aurora Barrow Beacon Birch Blue Brennan Bright Caldera Cardinal Cedar Cinder
Clear Cobalt Coral Corvus Crane Crown Dalton Delta Dorado Eagle East Ember Evergreen Falcon Fenwick First Forge
Garnet Glacier Golden Granite Great Grove Halcyon Harbor Hazel Helix Heron High Horizon Indigo Iron Jasper Juniper
Kestrel Keystone Lark Laurel Linden Lumen Maple Meridian Mira Nimbus North Nova Oak Onyx Orchard Orion Osprey Pacific
Pine Polar Prairie Quartz Quill Raven Redwood Ridge River Rowan Sable Sage Sierra Silver Solace South Stellar Stone
Summit Swift Tamar Terra Thistle Tidal Umber Union Vale Vega Verdant Vesper Violet West Willow Winter Zephyr
""".split()  # noqa: SIM905 - a list would have a line for each
SECOND: Final = """
Bay Bridge Brook Castle Coast Creek Crest Field Gate Glen Hill Key Lake Mark Mill Moor Peak Point Port Rock Shore
Spring Star Tower Vale Water Way Wood Works Yard
""".split()  # noqa: SIM905 - a list would have a line for each
SECTORS: Final = {
    "Energy": ["Energy", "Power", "Petroleum", "Solar", "Wind"],
    "Finance": ["Bank", "Capital", "Financial", "Insurance", "Trust"],
    "Health": ["Biotech", "Health", "Medical", "Pharma", "Therapeutics"],
    "Industry": ["Engineering", "Machinery", "Materials", "Steel", "Tools"],
    "Retail": ["Brands", "Foods", "Market", "Outfitters", "Stores"],
    "Technology": ["Data", "Devices", "Networks", "Semiconductor", "Software"],
    "Transport": ["Airlines", "Freight", "Lines", "Logistics", "Rail"],
}
FORMS: Final = ["Inc.", "Group", "Holdings", "plc", "AG", "Corp.", "Ltd.", ""]
ABROAD: Final = [  # names that test a page: long ones, and such that are written from right to left
    ("النور", "شركة النور للطاقة المتجددة", "Energy"),
    ("GWDM", "Greater Westmoorland and Dunmere Municipal Water, Gas and Electricity Supply plc", "Energy"),
    ("אורן", "אורן תוכנה בע״מ", "Technology"),
    ("青山", "青山製作所", "Industry"),
]  # fmt: skip
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Company(Struct, array_like=True):
    """A company whose shares are traded."""

    symbol: str
    name: str
    sector: str


def companies(count: int, random: Random) -> list[Company]:
    """Make companies up, the most traded first.

    Args:
        count: The number of companies, at most 10,000.
        random: The source of all choices.
    """
    taken = {symbol for symbol, _, _ in ABROAD}
    names: set[str] = set()
    made: list[Company] = []
    while len(made) < count:
        sector = random.choice(list(SECTORS))
        words = [random.choice(FIRST), random.choice(SECTORS[sector]), random.choice(FORMS)]
        if random.random() < 0.5:
            words[0] += random.choice(SECOND).lower()
        name = " ".join(word for word in words if word)
        if name not in names:
            names.add(name)
            made.append(Company(_symbol(name, taken, random), name, sector))
    for place, (symbol, name, sector) in enumerate(ABROAD):
        if 3 + 4 * place < count:
            made[3 + 4 * place] = Company(symbol, name, sector)
    return made


def _symbol(name: str, taken: set[str], random: Random) -> str:
    """Return a symbol of three or four letters that resembles the name."""
    letters = [letter for letter in name.upper() if letter in LETTERS]
    while True:
        rest = sorted(random.sample(range(1, len(letters)), random.choice((2, 3))))
        symbol = letters[0] + "".join(letters[place] for place in rest)
        if symbol in taken:  # the usual letters are gone: one that is not in the name
            symbol = symbol[:-1] + random.choice(LETTERS)
        if symbol not in taken:
            taken.add(symbol)
            return symbol
