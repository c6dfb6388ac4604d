"""Whatever people move at the same time: all pages end with the board of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from bennu.testing import PushRefused, connect
from bennu_demos.board.app import make
from bennu_demos.board.example import EXAMPLE

from .replica import Replica, new_id

pytestmark = [pytest.mark.clock("virtual"), pytest.mark.usefixtures("virtual_database")]

PAGES = 3

MOVES = st.tuples(
    st.integers(0, PAGES - 1),  # who moves
    st.integers(0, 9),  # which card of the page's cards
    st.integers(0, 3),  # to which list
    st.integers(0, 5),  # to which place in it
    st.sampled_from(["move", "move", "move", "move", "move list", "remove card", "remove list"]),
    st.booleans(),  # whether the page has heard of the changes before
)


@asynccontextmanager
async def people_on_a_board(folder: Path) -> AsyncIterator[list[Replica]]:
    """Start the server with a new database, and open pages."""
    endpoint = make(folder / "board.db")
    async with AsyncExitStack() as stack:
        pages: list[Replica] = []
        for number in range(PAGES):
            connected = connect(endpoint, "/socket", {"token": new_id(), "name": f"Page {number}"})
            client = await stack.enter_async_context(connected)
            pages.append(Replica(await client.join(f"board:{EXAMPLE}")))
            await pages[-1].load()
        yield pages


def start(page: Replica, card: int, to: int, index: int, what: str) -> Any:
    """Send an operation about things that the page shows."""
    lists, cards = page.order(), sorted(page.cards)
    if what in ("remove list", "move list") and lists:
        a_list = lists[to % len(lists)]
        return (
            page.do("remove_list", list=a_list)
            if what == "remove list"
            else page.do("move_list", list=a_list, spot={"before": lists[index % len(lists)]})
        )
    if not cards:
        return None
    a_card = cards[card % len(cards)]
    if what == "remove card":
        return page.do("remove_card", card=a_card)
    return page.move(a_card, lists[to % len(lists)], index)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=st.lists(MOVES, min_size=1, max_size=12))
@pytest.mark.long
async def test_random_moves_at_the_same_time_end_equal_on_all_pages(moves: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        async with people_on_a_board(Path(folder)) as pages:
            pushes: list[Any] = []
            for who, card, to, index, what, has_heard in moves:
                page = pages[who]
                if has_heard:
                    await settle(pushes, pages)
                if (push := start(page, card, to, index, what)) is not None:
                    pushes.append(push)
            await settle(pushes, pages)
            stored = Replica(pages[0].channel)
            await stored.load()
            for page in pages:
                assert page.version == stored.version
                assert page.shown == stored.shown
                assert page.cards == stored.cards


async def settle(pushes: list[Any], pages: list[Replica]) -> None:
    """Wait until all operations are answered, and all pages have heard of them."""
    versions = [0]
    refused: set[str | None] = set()
    for push in pushes:
        try:
            versions.append((await push)["version"])
        except PushRefused as error:
            refused.add(error.reason)
    pushes.clear()
    assert refused <= {"card_gone", "list_gone"}
    for page in pages:
        await page.until(max(versions))
