"""The channel of a page: sends what the page shows, as fast as the page takes it.

A page that reads slowly must not get old prices: they would wait in the buffers of the operating system, where nobody can
take them back. So at most one batch is on its way to a page. The page answers it with ``seen`` when it has shown it, and
the next batch has the newest price of each symbol that has changed since. All prices in between are left out.
"""

from __future__ import annotations

import asyncio

from bennu import Channel, Error, on

from .market import TICKS_PER_POINT, Exchange
from .wire import MOST_WATCHED, Batch, Seen, TooMany, UnknownSymbol, Watch, Watched, Welcome

__all__ = ["PACE", "TickerChannel"]

PACE = 0.25
"""Seconds from one batch to the next: nobody reads numbers faster."""


class TickerChannel(Channel[None, Exchange]):
    """The topic ``ticker``."""

    emits = {"batch": Batch}

    async def join(self) -> Welcome:
        """Tell the state of the market. The page watches nothing yet."""
        exchange = self.state
        self.watched: set[str] = set()
        self.sent = exchange.tick  # the tick that the page knows
        self.number = 0
        self.seen = asyncio.Event()
        return Welcome(exchange.seed, exchange.tick, TICKS_PER_POINT, exchange.market)

    async def after_join(self) -> None:
        """Begin to send."""
        _ = self.start(self.feed())

    async def feed(self) -> None:
        """Send a batch, and wait until the page has seen it, again and again."""
        while True:
            await asyncio.sleep(PACE)
            batch = self.take()
            if batch is not None:
                self.seen.clear()
                await self.push("batch", batch)
                await self.seen.wait()

    def take(self) -> Batch | None:
        """Return what has changed for this page, or None."""
        exchange = self.state
        quotes = exchange.changed_since(self.watched, self.sent)
        market = exchange.market if exchange.market_changed > self.sent else None
        if not quotes and market is None:
            return None
        self.sent = exchange.tick
        self.number += 1
        return Batch(self.number, exchange.tick, quotes, market)

    @on("seen")
    async def shown(self, seen: Seen) -> None:
        """Note that the page has shown a batch."""
        if seen.number == self.number:
            self.seen.set()

    @on("watch", rate="20/second, burst 40")
    async def watch(self, watch: Watch) -> Watched | Error[UnknownSymbol] | Error[TooMany]:
        """Change what the page watches, and tell the state of the symbols that it adds."""
        for symbol in watch.add:
            if symbol not in self.state:
                return Error(UnknownSymbol(symbol))
        watched = (self.watched - set(watch.drop)) | set(watch.add)
        if len(watched) > MOST_WATCHED:
            return Error(TooMany(MOST_WATCHED))
        self.watched = watched
        snapshots = {symbol: self.state.snapshot(symbol) for symbol in watch.add}
        return Watched(self.state.tick, snapshots)
