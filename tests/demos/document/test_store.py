"""The documents in the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pycrdt import Doc, Text
from sqlalchemy.exc import IntegrityError

from bennu_demos.document.merging import merge
from bennu_demos.document.store import Store, open_store

from .writer import update_of

pytestmark = pytest.mark.clock("real")  # the database has threads


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    async with open_store(database) as store:
        await store.create("a")
        yield store


def updates_of(text: str) -> list[bytes]:
    """Return the updates of a page that writes a text letter by letter."""
    updates: list[bytes] = []
    doc = Doc({"text": Text()})
    doc.observe(lambda event: updates.append(event.update))
    for letter in text:
        doc["text"] += letter
    return updates


def text_of(updates: list[bytes]) -> str:
    doc: Doc[Text] = Doc()
    doc.apply_update(merge(updates))
    return str(doc.get("text", type=Text))


async def test_a_document_is_made_once(store: Store) -> None:
    assert await store.exists("a")
    assert not await store.exists("b")
    assert not await store.create("a")
    assert await store.create("b")
    assert await store.count() == 2


async def test_updates_of_one_moment_are_stored_together(store: Store) -> None:
    await store.create("b")
    updates = updates_of("Hello world")
    await asyncio.gather(
        *(store.append("a", update) for update in updates), store.append("b", update_of("other"))
    )
    stored = await store.read("a")
    assert text_of(stored.updates) == "Hello world"
    assert stored.waiting == len(updates)
    assert text_of((await store.read("b")).updates) == "other"


async def test_each_caller_learns_that_its_update_is_not_stored(store: Store) -> None:
    """The next one is stored."""
    results = await asyncio.gather(
        *(store.append("none", update_of("x")) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [IntegrityError] * 3
    await store.append("a", update_of("Hello"))
    assert text_of((await store.read("a")).updates) == "Hello"


async def test_a_reader_gets_what_came_after_a_number(store: Store) -> None:
    first, *others = updates_of("Hello")
    await store.append("a", first)
    last = (await store.read("a")).last
    assert (await store.read("a", last)).updates == []
    for update in others:
        await store.append("a", update)
    assert (await store.read("a", last)).updates == others


async def test_a_snapshot_takes_the_place_of_the_updates(store: Store) -> None:
    """Who has only some of the updates gets the snapshot. Who has all of them gets nothing."""
    updates = updates_of("Hello" * 50)
    for update in updates:
        await store.append("a", update)
    before = await store.read("a")
    assert await store.compact("a")
    after = await store.read("a")
    assert len(after.updates) == 1
    assert len(after.updates[0]) < sum(map(len, updates)) / 5
    assert text_of(after.updates) == "Hello" * 50
    assert (after.last, after.waiting) == (before.last, 0)
    assert (await store.read("a", before.last - 1)).updates == after.updates
    assert (await store.read("a", before.last)).updates == []


async def test_numbers_are_not_used_again(store: Store) -> None:
    """Else a reader that waits for the next number would miss an update."""
    await store.append("a", update_of("one"))
    last = (await store.read("a")).last
    await store.compact("a")
    await store.append("a", update := update_of("two"))
    assert (await store.read("a", last)).updates == [update]


async def test_what_comes_during_a_snapshot_stays(store: Store) -> None:
    """Also if two processes make one at the same time."""
    updates = updates_of("Hello world" * 10)
    for update in updates[:50]:
        await store.append("a", update)
    await asyncio.gather(
        store.compact("a"),
        *(store.append("a", update) for update in updates[50:80]),
        store.compact("a"),
        *(store.append("a", update) for update in updates[80:]),
        store.compact("a"),
    )
    assert text_of((await store.read("a")).updates) == "Hello world" * 10


async def test_the_documents_are_there_when_the_file_is_opened_again(database: Path) -> None:
    async with open_store(database) as store:
        await store.create("a")
        await store.append("a", update_of("Hello"))
    async with open_store(database) as store:
        assert text_of((await store.read("a")).updates) == "Hello"
