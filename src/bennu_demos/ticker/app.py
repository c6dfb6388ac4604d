"""The application: the page, the market, and the endpoint that the page connects to.

    bennu run bennu_demos.ticker.app:app

``TICKER_SEED`` is the seed of the market (default: 1): the same seed gives the same companies and prices. Each process has
a market of its own, so run one worker.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bennu import Endpoint, Rates, Socket
from bennu_demos.page import page_of

from .channel import TickerChannel
from .market import TICK, Exchange
from .wire import Directory

__all__ = ["app", "endpoint", "make"]

HERE = Path(__file__).parent


async def enter() -> None:
    """Accept every client: prices are no secret."""


async def run(exchange: Exchange) -> None:
    """Let the time of the market pass."""
    clock = asyncio.get_running_loop().time
    due = clock()
    while True:
        due = max(due + TICK, clock() - 1)  # after a long pause it does not catch up
        await asyncio.sleep(due - clock())
        exchange.advance()


def make(seed: int = 1, count: int = 5_000) -> Endpoint:
    """Make the endpoint of a ticker.

    Args:
        seed: The seed of the market.
        count: The number of companies.
    """

    @asynccontextmanager
    async def open_exchange() -> AsyncGenerator[Exchange, None]:
        exchange = Exchange(seed, count)
        running = asyncio.create_task(run(exchange))
        yield exchange
        running.cancel()

    socket = Socket(
        connect=enter,
        channels={"ticker": TickerChannel},
        max_channels=1,
        max_frame_size=8_192,  # bytes; the longest message of the page has less than 2,000
        max_unsent=65_536,  # one batch and one reply to `watch` are at most 50,000
        rates=Rates(joins="10/10s", messages="30/second, burst 60"),
    )
    return Endpoint(sockets={"/socket": socket}, lifespan=open_exchange)


async def companies(request: Request) -> Response:
    """Answer with all companies."""
    exchange: Exchange = endpoint.state
    directory = Directory(exchange.seed, exchange.companies)
    return Response(msgspec.json.encode(directory), media_type="application/json")


endpoint = make(int(os.environ.get("TICKER_SEED") or 1))
page = page_of(HERE / "static", Route("/companies.json", companies))

# The endpoint answers its own path, and the page answers all others.
app = endpoint.wrap(GZipMiddleware(page))
