"""What the channels of an endpoint hold."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from msgspec import Struct

from bennu import Channel, Endpoint, Socket
from bennu.server.assigns_size import size_of
from bennu.testing import connect, running
from bennu.testing.clock import advance


@dataclass
class User:
    name: str
    cache: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Point:
    x: float
    y: float = field(init=False)


class Item(Struct):
    text: str


class Lazy:
    """Runs code when it is looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)


class Marked(list[str]):
    """A list with an attribute."""

    def __iter__(self) -> Any:
        raise AssertionError


class Colour(Enum):
    RED = "a text that all share"


class Room(Channel[User]):
    async def join(self, payload: dict[str, int]) -> None:
        self.assigns.cache["page"] = bytes(payload["size"])


class Hall(Channel[User]):
    pass


def make() -> Endpoint:
    socket = Socket(
        connect=lambda params: User(params["name"]), channels={"room:*": Room, "hall": Hall}
    )
    return Endpoint(sockets={"/socket": socket})


async def test_the_largest_channels_are_named() -> None:
    app = make()
    async with running(app), connect(app, "/socket", {"name": "ann"}) as ann:
        await ann.join("hall")
        async with connect(app, "/socket", {"name": "bo"}) as bo:
            await bo.join("room:1", {"size": 50_000})
            report = await app.measure_assigns(largest=1)
            assert (report.measured, report.unmeasured) == (2, 0)
            assert report.classes["Room"].bytes > 50_000 > report.classes["Hall"].bytes > 0
            assert report.classes["Hall"].channels == 1
            [largest] = report.largest
            assert (largest.channel, largest.topic, largest.is_whole) == ("Room", "room:1", True)
            [room] = app.channels("room:1")
            assert largest.connection_id == room.connection.info.connection_id
            assert (await app.measure_assigns("hall")).measured == 1


async def test_the_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One channel is always measured; what was not reached is counted."""
    app = make()
    async with running(app), connect(app, "/socket", {"name": "ann"}) as ann:
        for number in range(5):
            await ann.join(f"room:{number}", {"size": 0})
        report = await app.measure_assigns(seconds=-1)
        assert (report.measured, report.unmeasured) == (1, 4)


async def test_the_event_loop_runs_between_two_channels() -> None:
    app = make()
    async with running(app), connect(app, "/socket", {"name": "ann"}) as ann:
        for number in range(3):
            await ann.join(f"room:{number}", {"size": 0})
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        await app.measure_assigns()
        counting.cancel()
        assert turns >= 3
        await advance(0)


@pytest.mark.parametrize(
    ("value", "objects"),
    [
        ([1, "two"], 3),
        ({"a": (1.5, 2.5)}, 5),
        ({1000, 2000}, 3),
        (deque([b"a" * 99]), 2),
        (User("ann"), 3),
        (Point(1.25), 2),
        (Item("text"), 2),
        ([Colour.RED, len, sys, Item], 1),
    ],
)
def test_objects_are_followed(value: Any, objects: int) -> None:
    found, size, is_whole = size_of([value], depth=5)
    assert (found, is_whole) == (objects, True)
    assert size >= sys.getsizeof(value)


def test_no_code_of_an_object_is_called() -> None:
    assert size_of([Lazy(), Marked(["a text"])], depth=5)[::2] == (3, True)


def test_an_object_has_the_size_of_its_attributes_too() -> None:
    user = User("ann")
    parts = (user, user.__dict__, user.name, user.cache)
    assert size_of([user], depth=1)[1] == sum(map(sys.getsizeof, parts))


def test_a_circle_ends() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert size_of([circle], depth=5) == (1, sys.getsizeof(circle), True)


def test_depth_and_objects_are_bounded() -> None:
    nested: list[Any] = [[[["deep"]]]]
    assert size_of([nested], depth=1)[::2] == (2, False)
    assert size_of([nested], depth=4)[::2] == (5, True)
    assert size_of([list(range(1000, 3000))], depth=2, most=100)[::2] == (100, False)
