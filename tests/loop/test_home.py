"""Every public method checks that it is called on the right event loop; its error says what to write.

``calls.py`` lists the calls. Each is made from every wrong place. The last test reads the public
classes, so that a new method without a line here fails.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from bennu import (
    Channel,
    Endpoint,
    NotJoined,
    NotStarted,
    Presence,
    RawHandler,
    ReplyRef,
    WrongThread,
)
from bennu.agent import BlockingAgent
from bennu.blocking_channel import BlockingChannel
from bennu.blocking_endpoint import BlockingEndpoint
from bennu.loop.home import Home
from bennu.presence.blocking import BlockingPresence
from bennu.pubsub import PubSub, Subscription
from bennu.raw import BlockingRawHandler
from bennu.telemetry import Telemetry
from bennu.testing.clock import VirtualLoop, settle

from ..support.frames import decode_v2
from ..support.memory import Server, endpoint_of
from .calls import CALLS, LIFE, TWINS, UNDONE, Call, Room, World, ignore, world


async def finished(value: Any) -> Any:
    """Return a value, and await it if it is awaitable."""
    return await value if inspect.isawaitable(value) else value


def made(call: Call, here: World) -> Any:
    """Make a call in plain code; an async method runs on its own event loop."""
    value = call(here)
    return asyncio.run(finished(value)) if inspect.isawaitable(value) else value


# From the right place.


RIGHT = {**CALLS, **UNDONE}


async def test_on_the_event_loop_each_call_is_made() -> None:
    """The calls are made in an order in which none ends an object that another needs."""
    last = ("RawHandler.close", "Endpoint.drain", "Endpoint.stop")
    first = ("Presence.track",)
    rest = [name for name in RIGHT if name not in (*first, *last)]
    async with world() as (_, here):
        for name in (*first, *rest, *last):
            result = await finished(RIGHT[name](here))
            if isinstance(result, Subscription):
                result.cancel()
            await settle()


async def test_in_a_thread_each_twin_is_called() -> None:
    """The twins wait for the event loop, and return its results."""
    last = ("BlockingRawHandler.close", "BlockingEndpoint.drain")
    first = ("BlockingPresence.track",)
    rest = [name for name in TWINS if name not in (*first, *last)]
    async with world() as (server, here):
        for name in (*first, *rest, *last):
            if name == "BlockingEndpoint.drain":
                server.wires[0].close(1000)  # it need not wait for others
                await settle()
            await asyncio.to_thread(TWINS[name], here)
            await settle()


def driven(call: Call, here: World) -> None:
    """Make a call in plain code, without an event loop."""
    value = call(here)
    if inspect.iscoroutine(value):
        value.send(None)


# From another event loop in another thread.


@pytest.mark.parametrize("name", RIGHT)
async def test_on_another_event_loop(name: str) -> None:
    """``asyncio.run(endpoint.broadcast(...))`` in a plain route, and an async function on its own event loop."""
    async with world() as (server, here):

        async def call() -> None:
            with pytest.raises(WrongThread, match="event loop"):
                await finished(RIGHT[name](here))

        await asyncio.to_thread(asyncio.run, call())
        await server.endpoint.broadcast("room:1", "news")  # which does not change
        await settle()
        assert "news" in [frame.event for frame in _frames(server)]


def _frames(server: Server) -> list[Any]:
    return [decode_v2(frame) for frame in server.wires[0].received]


@pytest.mark.parametrize("name", TWINS)
async def test_a_twin_on_another_event_loop(name: str) -> None:
    """A twin would block that event loop: ``await asyncio.to_thread(...)`` is right."""
    async with world() as (_, here):

        async def call() -> None:
            with pytest.raises(WrongThread, match=r"await asyncio\.to_thread"):
                TWINS[name](here)

        await asyncio.to_thread(asyncio.run, call())


@pytest.mark.parametrize("name", TWINS)
async def test_a_twin_on_the_endpoints_event_loop(name: str) -> None:
    """A twin would wait for itself on the endpoint's event loop."""
    async with world() as (_, here):
        with pytest.raises(WrongThread, match=r"write `await "):
            TWINS[name](here)


# From a thread without an event loop.


@pytest.mark.parametrize("name", RIGHT)
async def test_in_a_thread(name: str) -> None:
    """A coroutine that is driven by hand runs on no event loop either."""
    async with world() as (_, here):
        with pytest.raises(WrongThread, match=r"worker thread|outside of the event loop"):
            await asyncio.to_thread(driven, RIGHT[name], here)


# Before the start, after the stop.


def not_started() -> World:
    """Return a world whose endpoint is stopped."""

    async def live() -> World:
        async with world() as (_, here):
            pass
        return here

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(live())


@pytest.fixture(scope="module")
def ended() -> World:
    return not_started()


ALL = {**CALLS, **TWINS}


@pytest.mark.parametrize("name", [name for name in ALL if not name.endswith("Presence.untrack")])
def test_after_the_stop(name: str, ended: World) -> None:
    """The call raises an error. All presences are untracked by then."""
    with pytest.raises((NotStarted, NotJoined)):
        made(ALL[name], ended)


@pytest.mark.parametrize("name", [name for name in UNDONE if name != "Endpoint.start"])
def test_what_ends_something_may_be_called_after_the_stop(name: str, ended: World) -> None:
    """A call that ends an object is allowed after the stop."""
    made(UNDONE[name], ended)


BEFORE: dict[str, Callable[[Endpoint], Any]] = {
    "broadcast": lambda e: e.broadcast("t", "e"),
    "broadcast_from": lambda e: e.broadcast_from(None, "t", "e"),
    "local_broadcast": lambda e: e.local_broadcast("t", "e"),
    "local_broadcast_from": lambda e: e.local_broadcast_from(None, "t", "e"),
    "disconnect": lambda e: e.disconnect("t"),
    "drain": lambda e: e.drain(),
    "sync.broadcast": lambda e: e.sync.broadcast("t", "e"),
    "sync.drain": lambda e: e.sync.drain(),
    "pubsub.broadcast": lambda e: e.pubsub.broadcast("t", 1),
    "pubsub.local_broadcast": lambda e: e.pubsub.local_broadcast("t", 1),
    "pubsub.subscribe": lambda e: e.pubsub.subscribe("t", ignore),
    "pubsub.publish": lambda e: e.pubsub.publish("t", b""),
}


@pytest.mark.parametrize("name", BEFORE)
def test_before_the_start_and_in_a_process_that_serves_nobody(name: str) -> None:
    """The error says that the application is imported by a script or a worker of a task queue."""
    endpoint = endpoint_of({"room:*": Room})
    with pytest.raises(
        NotStarted, match=rf"{name}.* reaches no client.*this process \({os.getpid()}\)"
    ):
        made_before(BEFORE[name], endpoint)


def made_before(call: Callable[[Endpoint], Any], endpoint: Endpoint) -> None:
    """Make a call in plain code."""
    value = call(endpoint)
    if inspect.iscoroutine(value):
        asyncio.run(value)


# In a child process.


def in_child(function: Callable[[], object]) -> str:
    """Run a function in a fork of this process; return its error, or empty text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        text = ""
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - all errors go to the parent
            text = f"{type(error).__name__}: {error}\n{''.join(traceback.format_exception(error))}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text


FORKED = {
    **CALLS,
    **TWINS,
    "Endpoint.stop": LIFE["stop"],
    "Subscription.cancel": UNDONE["Subscription.cancel"],
}


async def test_in_a_fork_of_the_server() -> None:
    """A fork has the parent's objects, but none of its clients. Each call raises an error."""
    async with world() as (_, here):

        def call_all() -> None:
            asyncio._set_running_loop(None)
            wrong: list[str] = []
            for name, call in FORKED.items():
                try:
                    made(call, here)
                except (NotStarted, NotJoined) as error:
                    if "fork" not in str(error):
                        wrong.append(f"{name}: {error}")
                else:
                    wrong.append(f"{name} succeeded")
            with suppress(NotStarted):
                here.endpoint.telemetry.attach(ignore)
                wrong.append("Telemetry.attach succeeded")
            assert not here.endpoint.is_started
            assert not here.endpoint.is_ready
            assert not wrong, "\n".join(wrong)

        assert in_child(call_all) == ""
        await here.endpoint.broadcast("room:1", "news")


async def test_a_fork_may_start_the_endpoint_for_itself() -> None:
    """A fork that starts the endpoint serves its own clients."""
    async with world() as (_, here):

        async def serve_once() -> None:
            await here.endpoint.start()
            assert here.endpoint.is_started
            assert here.endpoint.connections == 0
            await here.endpoint.broadcast("room:1", "news")
            await here.endpoint.stop()

        def child() -> None:
            asyncio._set_running_loop(None)
            asyncio.run(serve_once())

        assert in_child(child) == ""
        assert here.endpoint.connections == 2


# A PubSub of its own.


def test_a_pubsub_without_an_endpoint_lives_where_it_is_used_first() -> None:
    """After the event loop is closed, the PubSub can be used on the next event loop."""
    pubsub = PubSub()
    heard: list[Any] = []

    async def use() -> None:
        pubsub.subscribe("t", heard.append)
        await pubsub.broadcast("t", 1)
        with pytest.raises(WrongThread):
            await asyncio.to_thread(pubsub.local_broadcast, "t", 2)

    asyncio.run(use())
    asyncio.run(use())
    assert heard == [1, 1, 1]


def test_a_home_without_an_event_loop_has_none() -> None:
    """Each property has a value before the start."""
    home = Home()
    assert not home.is_current
    assert not home.is_in_process
    assert not home.is_abandoned
    home.leave_parent()
    with pytest.raises(NotStarted, match=r"await endpoint\.start\(\) first"):
        _ = home.loop


# All that is public.


READS = {
    "Endpoint": {
        "lifespan",
        "wrap",
        "serve_native",
        "outbox",  # belongs to the thread of its session
    },
    "PubSub": {
        "keep_logs",  # the endpoint calls it before its start
        "pass_on",  # send, for an entry of a log
        "listen",  # subscribe, for the parts of Bennu
        "unsubscribe",  # Subscription.cancel
        "send",  # local_broadcast, for a caller that has checked the event loop
        "send_of_channel",  # the same
        "broadcasting",  # the HTTP API, on the event loop
        "make_bus",  # the constructor
        "receive",  # send, for a message that is encoded
        "start",
        "stop",
        "unbind",
        "abandon",
        "enter",
        "leave",
        "move",
        "heard",
        "send_everywhere",  # broadcast, for a caller that has checked the event loop
        "subscribers",
    },
    "Channel": {"ref", "join", "after_join", "handle_in", "history_floor", "terminate"},
    "RawHandler": {"opened", "receive", "pinged", "ponged", "info", "draining", "closed"},
    "Presence": {
        "fetch",
        "handle_metas",
        "joined",
        "left",
        "start",
        "opened",
        "stop",
        "abandon",
        "reach",
        "loop_for_thread",  # the check of each method of presence.sync
    },
    "Telemetry": {"attach", "dropped", "limit_exceeded", "tell", "wants"},
}
"""Public methods that can be called anywhere, are overridden by users, or are only called by the server."""

PUBLIC: list[type[Any]] = [
    *(Endpoint, PubSub, Channel, RawHandler, Presence, ReplyRef, Subscription, Telemetry),
    *(BlockingEndpoint, BlockingAgent, BlockingChannel, BlockingRawHandler, BlockingPresence),
]


def public_methods(cls: type[Any]) -> Iterator[str]:
    """Return the public methods of a class."""
    for name, member in inspect.getmembers(cls):
        if not name.startswith("_") and inspect.isfunction(member):
            yield name


def test_each_public_method_has_its_line_here() -> None:
    """A new public method has a line in CALLS, UNDONE, TWINS or READS."""
    known = {*CALLS, *UNDONE, *TWINS}
    missing = [
        f"{cls.__name__}.{name}"
        for cls in PUBLIC
        if cls is not BlockingAgent  # its subclasses have its methods
        for name in public_methods(cls)
        if f"{cls.__name__}.{name}" not in known and name not in READS.get(cls.__name__, ())
    ]
    assert not missing, f"add these to CALLS, UNDONE, TWINS or READS: {missing}"
