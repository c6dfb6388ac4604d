"""People see the cursors of others, and only those of people who are there."""

from __future__ import annotations

import json

import pytest

from bennu import Endpoint
from bennu.testing import connect

from .seat import KEY, TOPIC, Seat, sit
from .writer import Writer, cursor_message

pytestmark = pytest.mark.clock("real")  # the database has threads


def is_cursor_of(writer: Writer) -> object:
    """Return a pattern for messages that bring or remove the cursor of a writer."""
    number = cursor_message(writer.client, 0, b"")[3:-2]
    return lambda message: message[:1] == b"\1" and number in message


async def meet(first: Seat, second: Seat) -> None:
    """Wait until each sees the cursor of the other."""
    await first.sees_cursors_of(second.writer.name)
    await second.sees_cursors_of(first.writer.name)


async def test_a_cursor_has_the_name_of_its_person(endpoint: Endpoint) -> None:
    """Others get the name that the server knows, and nothing else that a page may claim."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(connect(endpoint, "/socket"), ann) as first,
        sit(connect(endpoint, "/socket"), bo) as second,
    ):
        await meet(first, second)
        ann.point(user={"name": "Bo", "color": "red; position: fixed"})
        await second.until(lambda: bo.cursors[ann.client]["cursor"])
        assert bo.cursors[ann.client]["user"] == {"name": "Ann"}


async def test_who_comes_later_sees_the_cursors(endpoint: Endpoint) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(connect(endpoint, "/socket"), ann) as first:
        ann.point()
        await first.room.assert_broadcast("yjs", is_cursor_of(ann))
        async with sit(connect(endpoint, "/socket"), bo) as second:
            await second.sees_cursors_of("Ann")


async def test_an_echo_of_a_cursor_is_not_sent_on(endpoint: Endpoint) -> None:
    """Each page repeats the cursors that it gets. Nobody gets those, and no page becomes the owner of another's cursor."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(connect(endpoint, "/socket"), bo) as second:
        async with sit(connect(endpoint, "/socket"), ann) as first:
            await meet(first, second)  # both have sent an echo of the other's
            ann.point()
            await second.until(lambda: bo.cursors[ann.client]["cursor"])
            await first.room.refute_push("yjs", is_cursor_of(ann))
        await second.sees_cursors_of()
        async with sit(connect(endpoint, "/socket"), ann) as first:
            await meet(first, second)


async def test_nobody_moves_the_cursor_of_another(endpoint: Endpoint) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(connect(endpoint, "/socket"), ann) as first,
        sit(connect(endpoint, "/socket"), bo) as second,
    ):
        await meet(first, second)
        first.room.push("yjs", cursor_message(bo.client, 1_000, b"null"))
        await second.room.refute_push("yjs", is_cursor_of(bo))
        async with sit(connect(endpoint, "/socket"), Writer("Cy")) as third:
            await third.sees_cursors_of("Ann", "Bo")


async def test_the_cursor_of_a_lost_connection_goes_and_comes_back_at_once(
    endpoint: Endpoint,
) -> None:
    """The removal has the number of the cursor, so that the next number is news for the others."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(connect(endpoint, "/socket"), bo) as second:
        async with sit(connect(endpoint, "/socket"), ann) as first:
            await meet(first, second)
            first.client.vanish()
            await second.sees_cursors_of()
        async with sit(connect(endpoint, "/socket"), ann) as first:
            await meet(first, second)


async def test_a_page_that_is_back_before_its_old_connection_ends_keeps_its_cursor(
    endpoint: Endpoint,
) -> None:
    """The old channel removes the old cursor, which the new channel has replaced."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(connect(endpoint, "/socket"), bo) as second,
        connect(endpoint, "/socket") as half_open,
    ):
        joining = {"client": ann.client, "name": "Ann", "key": KEY}
        old = await half_open.join(TOPIC, joining)
        ann.joined(old.push)
        await second.sees_cursors_of("Ann")
        async with sit(connect(endpoint, "/socket"), ann) as first:
            await first.sees_cursors_of("Bo")
            ann.point()
            await second.until(lambda: bo.cursors[ann.client]["cursor"])
            half_open.close()
            gone = await second.room.assert_push("yjs", lambda message: message.endswith(b"null"))
            bo.receive(gone)
            assert bo.names == ["Ann"]
            async with sit(connect(endpoint, "/socket"), Writer("Cy")) as third:
                await third.sees_cursors_of("Ann", "Bo")


@pytest.mark.parametrize(
    "state",
    [
        b"{",
        b"\xff",
        b"7",
        b'{"cursor": 7}',
        json.dumps({"cursor": {"anchor": {"tname": "other"}, "head": {}}}).encode(),
        json.dumps(
            {"cursor": {"anchor": {"item": {"client": -1, "clock": 0}}, "head": {}}}
        ).encode(),
    ],
)
async def test_a_bad_cursor_ends_its_own_channel(endpoint: Endpoint, state: bytes) -> None:
    """Others do not get it: it would raise an error in their pages."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(connect(endpoint, "/socket"), ann) as first,
        sit(connect(endpoint, "/socket"), bo) as second,
    ):
        await meet(first, second)
        first.room.push("yjs", cursor_message(ann.client, 1_000, state))
        await first.room.assert_crashed()
        await second.sees_cursors_of()
