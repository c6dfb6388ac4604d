"""People write one text together."""

from __future__ import annotations

from pathlib import Path

import pytest

from bennu import Endpoint
from bennu.testing import JoinRefused, connect, running
from bennu_demos.document.app import make

from .seat import KEY, TOPIC, sit
from .writer import Writer


def is_update(message: bytes) -> bool:
    """Whether a message changes the text."""
    return message[:2] == b"\0\2"


pytestmark = pytest.mark.clock("real")  # the database has threads


async def test_two_people_write_in_one_text(endpoint: Endpoint) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(connect(endpoint, "/socket"), ann) as first,
        sit(connect(endpoint, "/socket"), bo) as second,
    ):
        ann.write("Hello")
        await second.sees("Hello")
        bo.write(" world 😀")
        await first.sees("Hello world 😀")
        ann.erase(0, 5)
        await second.sees(" world 😀")


async def test_edits_at_the_same_moment_are_merged(endpoint: Endpoint) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(connect(endpoint, "/socket"), ann) as first,
        sit(connect(endpoint, "/socket"), bo) as second,
    ):
        ann.write("one")
        await second.sees("one")
        ann.write("a", at=1)
        bo.write("b", at=1)
        await first.until(lambda: len(ann.text) == 5)
        await second.until(lambda: len(bo.text) == 5)
        assert ann.text == bo.text
        assert ann.text in ("oabne", "obane")


async def test_the_text_is_there_after_a_restart(database: Path, endpoint: Endpoint) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(connect(endpoint, "/socket"), ann):
        ann.write("Hello")
        ann.write(" world")
    await endpoint.stop()
    async with running(again := make(database)), sit(connect(again, "/socket"), bo) as second:
        await second.sees("Hello world")


async def test_edits_made_offline_are_merged(endpoint: Endpoint) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(connect(endpoint, "/socket"), bo) as second:
        async with sit(connect(endpoint, "/socket"), ann) as first:
            ann.write("middle")
            await second.sees("middle")
            first.client.vanish()
        ann.write("begin ", at=0)
        bo.write(" end")
        async with sit(connect(endpoint, "/socket"), ann) as first:
            await first.sees("begin middle end")
            await second.sees("begin middle end")


async def test_a_reader_sees_everything_and_changes_nothing(endpoint: Endpoint) -> None:
    ann, rae = Writer("Ann"), Writer("Rae")
    async with (
        sit(connect(endpoint, "/socket"), ann) as first,
        sit(connect(endpoint, "/socket"), rae, key="") as reader,
    ):
        ann.write("Hello")
        await reader.sees("Hello")
        rae.write("mine: ", at=0)  # a page that was changed to do so
        await first.room.refute_push("yjs", is_update)
        async with sit(connect(endpoint, "/socket"), Writer("Bo")) as third:
            await third.sees("Hello")


async def test_only_the_key_of_the_document_opens_it(endpoint: Endpoint) -> None:
    async with connect(endpoint, "/socket") as client:
        with pytest.raises(JoinRefused, match="wrong_key"):
            await client.join(TOPIC, {"client": 1, "key": "another"})
        with pytest.raises(JoinRefused, match="no_such_document"):
            await client.join("doc:none", {"client": 1})
        with pytest.raises(JoinRefused, match="invalid_payload"):
            await client.join(TOPIC, {"client": -1, "key": KEY})


async def test_the_list_of_people(endpoint: Endpoint) -> None:
    """It has each page: its name, whether it writes, and its number."""
    ann, rae = Writer(" Ann\n Smith "), Writer("")
    async with sit(connect(endpoint, "/socket"), ann) as first:
        async with sit(connect(endpoint, "/socket"), rae, key=""):
            await first.room.assert_present(
                str(ann.client), {"name": "Ann Smith", "mode": "write", "client": ann.client}
            )
            await first.room.assert_present(str(rae.client), {"name": "Somebody", "mode": "read"})
            await first.room.push("rename", {"name": "Anna"}).refute_reply()
            await first.room.assert_present(str(ann.client), {"name": "Anna"})
        await first.room.assert_absent(str(rae.client))
