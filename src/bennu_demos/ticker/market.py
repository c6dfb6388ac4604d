"""A simulated market: prices that walk at random, in sessions. It has no clock: :meth:`Exchange.advance` is the time."""

from __future__ import annotations

import math
from array import array
from itertools import accumulate
from random import Random
from typing import Final

from .names import Company, companies
from .wire import Market, Mover, Quote, Session, Snapshot

__all__ = ["TICK", "TICKS_PER_POINT", "Exchange"]

TICK: Final = 0.1
"""Seconds between two ticks of the market."""

TRADES: Final = 100
"""Trades in a tick. Popular symbols are traded more often."""

POINTS: Final = 120
"""The points of a chart."""

TICKS_PER_POINT: Final = 20
SESSION: Final = 6_000
"""Ticks of a session: ten minutes."""

BREAK: Final = 300
"""Ticks between two sessions."""

MARKET_EVERY: Final = 10
"""Ticks after which the numbers of the whole market are counted anew."""

MOVERS: Final = 20


class Stock:
    """The shares of a company.

    Attributes:
        changed: The tick of the last change.
    """

    __slots__ = ("changed", "exact", "high", "low", "points", "previous", "price", "volatility", "volume")  # fmt: skip

    def __init__(self, price: float, volatility: float) -> None:
        self.exact = price
        self.price = self.previous = self.high = self.low = round(price)
        self.volume = 0
        self.volatility = volatility
        self.changed = 0
        self.points = array("i", [self.price])

    def walk(self, shock: float) -> None:
        """Multiply the price: the geometric random walk."""
        self.exact = max(self.exact * math.exp(self.volatility * shock), 1.0)
        self.price = round(self.exact)
        self.high, self.low = max(self.high, self.price), min(self.low, self.price)

    def walk_far(self, shocks: list[float]) -> None:
        """Walk once for each point of the chart: it does at once what many calls would do."""
        start, volatility = self.exact, self.volatility
        exact = [
            max(start * math.exp(volatility * so_far), 1.0)
            for so_far in accumulate(shocks, initial=0.0)
        ]
        self.points = array("i", map(round, exact))
        self.exact, self.price = exact[-1], self.points[-1]
        self.high, self.low = max(self.points), min(self.points)

    def draw(self) -> None:
        """Add the price to the chart."""
        self.points.append(self.price)
        if len(self.points) > POINTS:
            del self.points[0]

    @property
    def change(self) -> int:
        """The change since the session before, in hundredths of a percent."""
        return round(10_000 * (self.price - self.previous) / self.previous)

    def quote(self) -> Quote:
        """Return the newest state."""
        return Quote(self.price, self.previous, self.high, self.low, self.volume)


class Exchange:
    """The market with all its stocks.

    Args:
        seed: The same seed gives the same companies and the same prices.
        count: The number of companies.

    Attributes:
        seed: The seed.
        companies: The companies, the most traded first.
        tick: The number of ticks since the start.
        market: The numbers of the whole market, as they were last counted.
        market_changed: The tick at which they were counted.
    """

    def __init__(self, seed: int = 1, count: int = 5_000) -> None:
        self.seed = seed
        self._random = random = Random(seed)  # noqa: S311 - a game, no secret
        self.companies: list[Company] = companies(count, random)
        self._stocks = {
            company.symbol: Stock(
                100 * random.lognormvariate(3.8, 0.9), random.uniform(0.0006, 0.0022)
            )
            for company in self.companies
        }
        self._symbols = list(self._stocks)
        self._weights = list(accumulate(1 / (place + 10) for place in range(count)))
        self.tick = 0
        self._day = 1
        self._is_open = True
        self._left = SESSION
        self._warm_up()
        self.market = self._count()
        self.market_changed = 0

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._stocks

    def _warm_up(self) -> None:
        """Trade until all charts have their points."""
        gauss = self._random.gauss
        for stock in self._stocks.values():
            stock.walk_far([gauss(0, 2.5) for _ in range(POINTS - 1)])
            stock.volume = self._random.randrange(1_000, 90_000)

    # The time.

    def advance(self) -> None:
        """Let one tick pass."""
        self.tick += 1
        self._left -= 1
        if self._is_open:
            self._trade()
        if not self._left:
            self._ring()
        if self.tick % TICKS_PER_POINT == 0:
            for stock in self._stocks.values():
                stock.draw()
        if self.tick % MARKET_EVERY == 0:
            self._tell()

    def _trade(self) -> None:
        random = self._random
        mood = random.gauss(0, 0.3)  # some news move all prices
        for symbol in random.choices(self._symbols, cum_weights=self._weights, k=TRADES):
            stock = self._stocks[symbol]
            stock.walk(random.gauss(mood, 1))
            stock.volume += random.randrange(1, 400)
            stock.changed = self.tick

    def _ring(self) -> None:
        """Begin or end a session. Overnight news move each price at the opening."""
        self._is_open = not self._is_open
        self._left = SESSION if self._is_open else BREAK
        if self._is_open:
            self._day += 1
            for stock in self._stocks.values():
                stock.previous = stock.price
                stock.walk(self._random.gauss(0, 6))
                stock.high = stock.low = stock.price
                stock.volume, stock.changed = 0, self.tick
        self._tell()

    # What is to be seen.

    def changed_since(self, symbols: set[str], tick: int) -> dict[str, Quote]:
        """Return the newest state of those symbols that have changed after a tick."""
        stocks = self._stocks
        return {name: stocks[name].quote() for name in symbols if stocks[name].changed > tick}

    def snapshot(self, symbol: str) -> Snapshot:
        """Return the newest state of a symbol, and its chart."""
        stock = self._stocks[symbol]
        return Snapshot(stock.quote(), stock.points.tolist())

    def _tell(self) -> None:
        self.market, self.market_changed = self._count(), self.tick

    def _count(self) -> Market:
        changes = sorted(
            (Mover(symbol, stock.change) for symbol, stock in self._stocks.items()),
            key=lambda mover: mover.change,
        )
        mean = sum(mover.change for mover in changes) / len(changes)
        return Market(
            index=round(100_000 * (1 + mean / 10_000)),
            change=round(mean),
            rising=sum(mover.change > 0 for mover in changes),
            falling=sum(mover.change < 0 for mover in changes),
            gainers=changes[: -MOVERS - 1 : -1],
            losers=changes[:MOVERS],
            session=Session(self._is_open, self._day, round(self._left * TICK, 1)),
        )
