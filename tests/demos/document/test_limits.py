"""Bad messages, large documents, and a database that fails: nobody else notices, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Doc, Text, create_update_message

from bennu import Endpoint
from bennu.testing import connect
from bennu_demos.document import documents
from bennu_demos.document.merging import Broken, apply
from bennu_demos.document.wire import Malformed

from .seat import KEY, sit
from .writer import BREAKING, Writer, update_of

pytestmark = pytest.mark.clock("real")  # the database has threads


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"\0\2",
        b"\0\2\5ab",
        b"\0\0\3\xff\xff\xff",
        b"\xff" * 9,
        b"\1\1\7",
        create_update_message(b"no update"),
        pytest.param(create_update_message(update_of("Hello")[:-3]), id="half an update"),
    ],
)
async def test_a_malformed_message_ends_its_own_channel(endpoint: Endpoint, message: bytes) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(connect(endpoint, "/socket"), bo) as second:
        async with sit(connect(endpoint, "/socket"), ann) as first:
            ann.write("Hello")
            first.room.push("yjs", message)
            await first.room.assert_crashed()
        ann.write(" again")
        async with sit(connect(endpoint, "/socket"), ann):
            await second.sees("Hello again")


async def test_messages_of_other_kinds_are_ignored(endpoint: Endpoint) -> None:
    ann = Writer("Ann")
    async with sit(connect(endpoint, "/socket"), ann) as first:
        first.room.push("yjs", b"\3")
        first.room.push("yjs", b"\0\7")
        ann.write("Hello")
        async with sit(connect(endpoint, "/socket"), Writer("Bo")) as second:
            await second.sees("Hello")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Documents have at most this number of bytes."""
    monkeypatch.setattr(documents, "MAX_STATE", 2_000)
    return 2_000


async def test_a_full_document_takes_no_more(endpoint: Endpoint, small: int) -> None:
    """The page is told. What it writes after that is not merged: it would lack what was refused."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(connect(endpoint, "/socket"), ann) as first,
        sit(connect(endpoint, "/socket"), bo) as second,
    ):
        ann.write("x" * (small - 100))
        await second.until(lambda: bo.size)
        ann.write("y" * 200)
        ann.write("z")
        await first.room.assert_push("full", {"limit": int})
        bo.write("!")
        await second.room.refute_push("yjs", lambda message: b"z" in message)
        async with sit(connect(endpoint, "/socket"), Writer("Cy")) as third:
            await third.sees("x" * (small - 100) + "!")


async def test_a_full_document_can_become_smaller(endpoint: Endpoint, small: int) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(connect(endpoint, "/socket"), ann),
        sit(connect(endpoint, "/socket"), bo) as second,
    ):
        ann.write("x" * (small - 60))
        await second.until(lambda: bo.size)
        bo.erase(0, 1_000)
        bo.write("y" * 500)
        async with sit(connect(endpoint, "/socket"), Writer("Cy")) as third:
            await third.sees("x" * (small - 1_060) + "y" * 500)


async def test_many_small_edits_do_not_fill_a_document(endpoint: Endpoint, small: int) -> None:
    """What counts is the document, and not the updates that it was made of."""
    ann = Writer("Ann")
    async with sit(connect(endpoint, "/socket"), ann) as first:
        for _ in range(small // 10):
            ann.write("x")
        await first.room.refute_push("full")
        async with sit(connect(endpoint, "/socket"), Writer("Bo")) as second:
            await second.sees("x" * (small // 10))


async def test_an_edit_that_is_not_stored_is_sent_again(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel of the page ends, and the server forgets the edit, so that it asks for it at the next join."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(connect(endpoint, "/socket"), bo) as second:
        async with sit(connect(endpoint, "/socket"), ann) as first:
            ann.write("one")
            await second.sees("one")

            async def fail(*_: object) -> None:
                raise OSError("disk full")

            with monkeypatch.context() as patch:
                patch.setattr(endpoint.state.store, "append", fail)
                ann.write(" two")
                await first.room.assert_crashed()
        async with sit(connect(endpoint, "/socket"), ann):
            await second.sees("one two")
        async with sit(connect(endpoint, "/socket"), Writer("Cy"), key=KEY) as third:
            await third.sees("one two")


async def test_an_update_that_breaks_pycrdt_ends_its_own_channel(endpoint: Endpoint) -> None:
    """The document is loaded again, with all that was stored."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(connect(endpoint, "/socket"), bo) as second:
        async with sit(connect(endpoint, "/socket"), ann) as first:
            ann.write("Hello")
            await second.sees("Hello")
            first.room.push("yjs", create_update_message(BREAKING))
            await first.room.assert_crashed()
        bo.write(" world")
        async with sit(connect(endpoint, "/socket"), Writer("Cy")) as third:
            await third.sees("Hello world")


def test_what_pycrdt_says_to_bad_updates() -> None:
    doc: Doc[Any] = Doc({"text": Text("Hello")})
    with pytest.raises(Malformed):
        apply(doc, [b"no update"])
    with pytest.raises(Broken):
        apply(doc, [BREAKING])
    with pytest.raises(TypeError):  # a mistake of ours is no bad update
        apply(doc, [None])  # type: ignore[list-item]
