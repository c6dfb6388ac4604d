"""What the page and the server send to each other."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .names import Company

__all__ = [
    "MOST_WATCHED",
    "Batch",
    "Directory",
    "Market",
    "Mover",
    "Quote",
    "Seen",
    "Session",
    "Snapshot",
    "TooMany",
    "UnknownSymbol",
    "Watch",
    "Watched",
    "Welcome",
]

MOST_WATCHED = 100
"""The most symbols that one page can watch."""

Symbol = Annotated[str, Meta(max_length=8)]
Symbols = Annotated[list[Symbol], Meta(max_length=MOST_WATCHED)]


class Quote(Struct, array_like=True):
    """The newest state of a symbol: prices in cents, and the number of shares that were traded since the session began."""

    price: int
    previous: int  # the last price of the session before
    high: int
    low: int
    volume: int


class Snapshot(Struct):
    """What a page gets when it begins to watch a symbol: also the points of its chart, the oldest first."""

    quote: Quote
    points: list[int]


class Session(Struct):
    """Whether the market is open, and the seconds until that changes."""

    is_open: bool
    day: int
    seconds_left: float


class Directory(Struct):
    """All companies, the most traded first. The page loads them by HTTP, and searches in them by itself."""

    seed: int
    companies: list[Company]


class Mover(Struct, array_like=True):
    """A symbol, and its change since the session before in hundredths of a percent."""

    symbol: str
    change: int


class Market(Struct):
    """The whole market in a few numbers."""

    index: int  # hundredths of a point
    change: int  # hundredths of a percent
    rising: int
    falling: int
    gainers: list[Mover]
    losers: list[Mover]
    session: Session


class Welcome(Struct):
    """The reply to the join."""

    seed: int  # a page whose companies are of another seed loads them anew
    tick: int
    ticks_per_point: int  # a chart gets a point so many ticks after its last
    market: Market


class Watch(Struct):
    """The page shows these symbols now, and no longer shows those."""

    add: Symbols = []
    drop: Symbols = []


class Watched(Struct):
    """The reply to `watch`: the symbols that were added."""

    tick: int
    snapshots: dict[str, Snapshot]


class Batch(Struct, omit_defaults=True):
    """The newest state of all that has changed since the last batch. The page answers with `seen`."""

    number: int
    tick: int
    quotes: dict[str, Quote]
    market: Market | None = None


class Seen(Struct):
    """The page has shown a batch, and wants the next one."""

    number: Annotated[int, Meta(ge=0)]


class UnknownSymbol(Struct):
    """The error reply to `watch` if no company has a symbol."""

    symbol: str
    reason: Literal["unknown_symbol"] = "unknown_symbol"


class TooMany(Struct):
    """The error reply to `watch` if the page would watch more symbols than it may."""

    most: int
    reason: Literal["too_many"] = "too_many"
