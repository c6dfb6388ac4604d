"""docs/testing.md: each of its tests passes, and its bug is there, and is mended."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from bennu.testing.clock import running_loop
from tests.support.pages import blocks, run_blocks


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the page's blocks."""
    return run_blocks(monkeypatch, "testing_page", *blocks("docs/testing.md"))


ASYNC = [
    "test_a_message_reaches_everybody",
    "test_who_is_refused",
    "test_three_messages_a_minute",
    "test_who_was_on_a_node_that_crashed_is_gone",
]
BLOCKING = ["test_news_from_a_thread", "test_a_minute_without_async"]


def test_every_test_of_the_page_is_run_here(page: dict[str, Any]) -> None:
    assert [name for name in page if name.startswith("test_")] == [*ASYNC, *BLOCKING]


@pytest.mark.parametrize("name", ASYNC)
async def test_the_async_tests_pass(page: dict[str, Any], name: str) -> None:
    test: Callable[..., Any] = page[name]
    arguments = {"clock": running_loop().clock}
    await test(*(arguments[one] for one in inspect.signature(test).parameters))


@pytest.mark.parametrize("name", BLOCKING)
def test_the_blocking_tests_pass(page: dict[str, Any], name: str) -> None:
    page[name]()


async def test_the_bug_is_found_and_replayed(page: dict[str, Any]) -> None:
    """The printed failure is that of the seed 5, again and again."""
    for _ in range(2):
        with pytest.raises(AssertionError) as failed:
            await page["every_page_has_every_note"](page["Board"], 5)
        printed = f"AssertionError: {failed.value}".partition("\nassert")[0]
        said = "\n".join([printed, *failed.value.__notes__])
        assert said in blocks("docs/testing.md", "text")[1]


@pytest.mark.parametrize("seed", range(20))
async def test_the_mended_board_misses_nothing(page: dict[str, Any], seed: int) -> None:
    await page["every_page_has_every_note"](page["BetterBoard"], seed)
