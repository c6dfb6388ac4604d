"""The ticker's server: what a page gets that watches, that is slow, that scrolls."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

import bennu_demos.ticker.app as application
from bennu import Endpoint
from bennu.testing import Clock, TestChannel, TestClient, connect, running
from bennu_demos.ticker.app import make
from bennu_demos.ticker.channel import PACE
from bennu_demos.ticker.market import POINTS, Exchange

pytestmark = pytest.mark.clock("virtual")


@pytest.fixture
def endpoint() -> Endpoint:
    return make(seed=7, count=200)


@pytest.fixture
async def client(endpoint: Endpoint, clock: Clock) -> AsyncIterator[TestClient]:
    async with connect(endpoint, "/socket") as client:
        yield client


@pytest.fixture
def popular(client: TestClient, endpoint: Endpoint) -> list[str]:
    """The ten most traded symbols."""
    return [company.symbol for company in exchange_of(endpoint).companies[:10]]


def exchange_of(endpoint: Endpoint) -> Exchange:
    exchange: Exchange = endpoint.state
    return exchange


def quote_at(exchange: Exchange, tick: int, symbol: str) -> tuple[int, ...]:
    """Let the market go on to a tick, and return a quote as it is sent."""
    while exchange.tick < tick:
        exchange.advance()
    quote = exchange.snapshot(symbol).quote
    return (quote.price, quote.previous, quote.high, quote.low, quote.volume)


async def batch_of(page: TestChannel) -> dict[str, Any]:
    """Wait for a batch, and tell the server that the page has shown it."""
    batch: dict[str, Any] = await page.assert_push("batch", within=5)
    page.push("seen", {"number": batch["number"]})
    return batch


async def test_the_join_tells_the_state_of_the_market(client: TestClient) -> None:
    page = await client.join("ticker")
    assert page.response["seed"] == 7
    session = page.response["market"]["session"]
    assert (session["is_open"], session["day"]) == (True, 1)
    assert len(page.response["market"]["gainers"]) == 20


async def test_a_page_gets_the_symbols_that_it_watches(
    client: TestClient, endpoint: Endpoint, popular: list[str]
) -> None:
    page = await client.join("ticker")
    answer = await page.push("watch", {"add": popular})
    assert set(answer["snapshots"]) == set(popular)
    assert all(len(snapshot["points"]) == POINTS for snapshot in answer["snapshots"].values())

    seen: dict[str, Any] = {}
    for _ in range(8):
        seen.update((await batch_of(page))["quotes"])
    assert seen
    assert set(seen) <= set(popular)


async def test_what_a_page_shows_in_the_end_is_the_state_of_the_market(
    client: TestClient, popular: list[str]
) -> None:
    page = await client.join("ticker")
    answer = await page.push("watch", {"add": popular})
    shown = {symbol: snapshot["quote"] for symbol, snapshot in answer["snapshots"].items()}
    twin = Exchange(seed=7, count=200)  # goes through the same prices
    for _ in range(20):
        batch = await batch_of(page)
        shown.update(batch["quotes"])
        for symbol in popular:
            assert shown[symbol] == list(quote_at(twin, batch["tick"], symbol))


async def test_a_slow_page_gets_the_newest_prices_and_none_before(
    client: TestClient, clock: Clock, endpoint: Endpoint, popular: list[str]
) -> None:
    page = await client.join("ticker")
    await page.push("watch", {"add": popular})
    first = await page.assert_push("batch")
    await page.refute_push("batch", within=60)

    page.push("seen", {"number": first["number"]})
    second = await page.assert_push("batch")
    assert second["number"] == first["number"] + 1
    assert exchange_of(endpoint).tick - second["tick"] <= 1
    assert set(second["quotes"]) == set(popular)
    twin = Exchange(seed=7, count=200)
    for symbol, quote in second["quotes"].items():
        assert quote == list(quote_at(twin, second["tick"], symbol))


async def test_a_slow_page_does_not_slow_another(
    client: TestClient, clock: Clock, endpoint: Endpoint, popular: list[str]
) -> None:
    slow = await client.join("ticker")
    await slow.push("watch", {"add": popular})
    await slow.assert_push("batch")
    async with connect(endpoint, "/socket") as other:
        fast = await other.join("ticker")
        await fast.push("watch", {"add": popular})
        before = exchange_of(endpoint).tick
        for _ in range(10):
            await batch_of(fast)
        assert exchange_of(endpoint).tick - before <= 10 * PACE / 0.1 + 2
        await slow.refute_push("batch")


async def test_only_the_answer_to_the_last_batch_counts(
    client: TestClient, clock: Clock, popular: list[str]
) -> None:
    page = await client.join("ticker")
    await page.push("watch", {"add": popular})
    number = (await batch_of(page))["number"]
    await page.assert_push("batch")
    page.push("seen", {"number": number})
    page.push("seen", {"number": number + 5})
    await page.refute_push("batch", within=5)


async def test_what_scrolls_out_of_sight_is_no_longer_sent(
    client: TestClient, popular: list[str]
) -> None:
    page = await client.join("ticker")
    await page.push("watch", {"add": popular[:5]})
    answer = await page.push("watch", {"add": popular[5:], "drop": popular[:5]})
    assert set(answer["snapshots"]) == set(popular[5:])
    for _ in range(8):
        assert set((await batch_of(page))["quotes"]) <= set(popular[5:])


async def test_a_page_can_ask_again_for_a_symbol_that_it_watches(
    client: TestClient, popular: list[str]
) -> None:
    page = await client.join("ticker")
    for _ in range(2):
        answer = await page.push("watch", {"add": popular[:1]})
        assert set(answer["snapshots"]) == {popular[0]}


async def test_an_unknown_symbol_is_named(client: TestClient, popular: list[str]) -> None:
    page = await client.join("ticker")
    push = page.push("watch", {"add": [popular[0], "NOPE?"]})
    await push.assert_error({"reason": "unknown_symbol", "symbol": "NOPE?"})


async def test_a_page_watches_a_hundred_symbols_at_most(
    client: TestClient, endpoint: Endpoint
) -> None:
    names = [company.symbol for company in exchange_of(endpoint).companies]
    page = await client.join("ticker")
    await page.push("watch", {"add": names[:100]})
    await page.push("watch", {"add": names[100:101]}).assert_error(
        {"reason": "too_many", "most": 100}
    )
    await page.push("watch", {"add": names[:101]}).assert_error("invalid_payload")
    await page.push("watch", {"add": names[100:200], "drop": names[:100]})


async def test_the_whole_market_is_told_each_second(client: TestClient, clock: Clock) -> None:
    page = await client.join("ticker")
    first, second = await batch_of(page), await batch_of(page)
    assert first["quotes"] == second["quotes"] == {}
    assert 9 <= second["tick"] - first["tick"] <= 12
    left = [batch["market"]["session"]["seconds_left"] for batch in (first, second)]
    assert left[0] - left[1] == pytest.approx(1)


async def test_a_page_that_is_gone_leaves_nothing_behind(
    client: TestClient, endpoint: Endpoint, popular: list[str], clock: Clock
) -> None:
    page = await client.join("ticker")
    await page.push("watch", {"add": popular})
    await page.assert_push("batch")
    await page.leave()
    await clock.advance(5)
    again = await client.join("ticker")
    assert (await batch_of(again))["quotes"] == {}


async def test_the_page_loads_all_companies(clock: Clock) -> None:
    transport = ASGITransport(application.app)
    async with (
        running(application.endpoint),
        AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        answer = await http.get("/companies.json")
    assert len(answer.json()["companies"]) == 5_000
    assert answer.headers["content-encoding"] == "gzip"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


async def test_the_simple_way_of_the_readme(clock: Clock) -> None:
    """The README has a topic for each symbol, and `Latest`. Its code works."""
    readme = (Path(application.__file__).parent / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {"__name__": "simple"}
    exec(found[1], names)  # noqa: S102 - it is our own README
    async with connect(names["endpoint"], "/socket") as client:
        page = await client.join("stock:AAA")
        await names["publish"]("AAA", 1234)
        await page.assert_push("price", {"symbol": "AAA", "cents": 1234})
