"""Every public method checks that it is called on the right event loop; its error says what to write.

The calls are listed once (:data:`CALLS`). Each is made from every wrong place. The last test reads the public
classes, so that a new method without a line here fails.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from bennu import (
    Broadcast,
    Channel,
    Endpoint,
    NotJoined,
    NotStarted,
    Presence,
    RawHandler,
    RawSocket,
    ReplyRef,
    Socket,
    WrongThread,
    on,
    on_info,
)
from bennu.agent import BlockingAgent
from bennu.blocking_endpoint import BlockingEndpoint
from bennu.channel import BlockingChannel
from bennu.loop.home import Home
from bennu.presence.blocking import BlockingPresence
from bennu.pubsub import PubSub, Subscription
from bennu.raw import BlockingRawHandler
from bennu.telemetry import Telemetry

from ..support.clock import AUTOJUMP, settle
from ..support.memory import Server, endpoint_of, ok, serve


class Room(Channel[Any]):
    """Gives its object and a ref to the test."""

    made: Any = None
    kept: Any = None

    @on("keep")
    async def keep(self) -> None:
        Room.made, Room.kept = self, self.ref()

    @on_info(int)
    async def hear(self, number: int) -> None:
        """Do nothing."""


class Echo(RawHandler[Any]):
    """Gives its object to the test."""

    made: Any = None

    async def opened(self) -> None:
        Echo.made = self

    async def receive(self, message: str | bytes) -> None:
        """Do nothing."""

    async def info(self, message: Any) -> None:
        """Do nothing."""


class World:
    """All objects with public methods, of a server with one channel and one raw connection."""

    def __init__(self, endpoint: Endpoint, presence: Presence) -> None:
        self.endpoint = endpoint
        self.presence = presence
        self.subscription = endpoint.pubsub.subscribe("other", _ignore)
        self.channel: Any = Room.made
        self.ref: Any = Room.kept
        self.raw: Any = Echo.made
        self.cancels: list[Callable[[], None]] = [
            self.channel.send_after(1e6, 1),
            self.channel.send_every(1e6, 1),
            self.channel.subscribe("third"),
        ]


def _ignore(*_: object) -> None:
    """Do nothing."""


async def nothing() -> None:
    """Do nothing, in a task."""


Call = Callable[[World], Any]

ENDPOINT: dict[str, Call] = {
    "broadcast": lambda w: w.endpoint.broadcast("room:1", "e"),
    "broadcast_from": lambda w: w.endpoint.broadcast_from(None, "room:1", "e"),
    "local_broadcast": lambda w: w.endpoint.local_broadcast("room:1", "e"),
    "local_broadcast_from": lambda w: w.endpoint.local_broadcast_from(None, "room:1", "e"),
    "disconnect": lambda w: w.endpoint.disconnect("nobody"),
    "drain": lambda w: w.endpoint.drain(),
}
LIFE: dict[str, Call] = {
    "start": lambda w: w.endpoint.start(),
    "stop": lambda w: w.endpoint.stop(),
}
PUBSUB: dict[str, Call] = {
    "broadcast": lambda w: w.endpoint.pubsub.broadcast("room:1", Broadcast("room:1", "e", {})),
    "broadcast_from": lambda w: w.endpoint.pubsub.broadcast_from(
        None, "room:1", Broadcast("room:1", "e", {})
    ),
    "local_broadcast": lambda w: w.endpoint.pubsub.local_broadcast("t", 1),
    "publish": lambda w: w.endpoint.pubsub.publish("t", b""),
    "on_publish": lambda w: w.endpoint.pubsub.on_publish("t", _ignore),
    "subscribe": lambda w: w.endpoint.pubsub.subscribe("t", _ignore),
}
AGENT: dict[str, Callable[[Any], Any]] = {
    "send_self": lambda agent: agent.send_self(1),
    "send_after": lambda agent: agent.send_after(1, 1),
    "send_every": lambda agent: agent.send_every(1, 1),
    "subscribe": lambda agent: agent.subscribe("t"),
    "start": lambda agent: agent.start(nothing()),
}
CHANNEL: dict[str, Callable[[Any], Any]] = {
    **AGENT,
    "push": lambda channel: channel.push("e"),
    "broadcast": lambda channel: channel.broadcast("e"),
    "broadcast_from": lambda channel: channel.broadcast_from("e"),
    "local_broadcast": lambda channel: channel.local_broadcast("e"),
    "local_broadcast_from": lambda channel: channel.local_broadcast_from("e"),
}
RAW: dict[str, Callable[[Any], Any]] = {
    **AGENT,
    "send": lambda raw: raw.send("text"),
    "ping": lambda raw: raw.ping(),
    "close": lambda raw: raw.close(),
}
PRESENCE: dict[str, Callable[[Any, Any], Any]] = {
    "track": lambda presence, channel: presence.track(channel, "ann"),
    "update": lambda presence, channel: presence.update(channel, "ann", {}),
    "update_many": lambda presence, channel: presence.update_many(channel, {"ann": {}}),
    "untrack": lambda presence, channel: presence.untrack(channel),
    "list": lambda presence, channel: presence.list(channel),
    "get_by_key": lambda presence, channel: presence.get_by_key(channel, "ann"),
    "count": lambda presence, channel: presence.count(channel),
    "push_state": lambda presence, channel: presence.push_state(channel),
}


async def _present(world: World) -> None:
    async with world.presence.present("jobs", "job"):
        pass


def _of_channel(call: Callable[[Any], Any]) -> Call:
    return lambda world: call(world.channel)


def _of_raw(call: Callable[[Any], Any]) -> Call:
    return lambda world: call(world.raw)


def _of_presence(call: Callable[[Any, Any], Any]) -> Call:
    return lambda world: call(world.presence, world.channel)


CALLS: dict[str, Call] = {
    **{f"Endpoint.{name}": call for name, call in ENDPOINT.items()},
    **{f"PubSub.{name}": call for name, call in PUBSUB.items()},
    **{f"Channel.{name}": _of_channel(call) for name, call in CHANNEL.items()},
    **{f"RawHandler.{name}": _of_raw(call) for name, call in RAW.items()},
    **{f"Presence.{name}": _of_presence(call) for name, call in PRESENCE.items()},
    "Presence.present": _present,
    "ReplyRef.reply": lambda w: w.ref.reply({}),
}
"""Calls for the event loop."""

UNDONE: dict[str, Call] = {
    "Endpoint.start": LIFE["start"],
    "Endpoint.stop": LIFE["stop"],
    "Subscription.cancel": lambda w: w.subscription.cancel(),
    "cancel of send_after": lambda w: w.cancels[0](),
    "cancel of send_every": lambda w: w.cancels[1](),
    "cancel of subscribe": lambda w: w.cancels[2](),
}
"""Calls for the event loop that are also allowed before the start or after the stop."""

TWINS: dict[str, Call] = {
    "BlockingEndpoint.broadcast": lambda w: w.endpoint.sync.broadcast("room:1", "e"),
    "BlockingEndpoint.broadcast_from": lambda w: w.endpoint.sync.broadcast_from(
        None, "room:1", "e"
    ),
    "BlockingEndpoint.local_broadcast": lambda w: w.endpoint.sync.local_broadcast("room:1", "e"),
    "BlockingEndpoint.local_broadcast_from": lambda w: w.endpoint.sync.local_broadcast_from(
        None, "room:1", "e"
    ),
    "BlockingEndpoint.disconnect": lambda w: w.endpoint.sync.disconnect("nobody"),
    "BlockingEndpoint.drain": lambda w: w.endpoint.sync.drain(),
    **{
        f"BlockingChannel.{name}": _of_channel(lambda c, call=call: call(c.sync))  # type: ignore[misc]
        for name, call in CHANNEL.items()
    },
    "BlockingChannel.reply": lambda w: w.channel.sync.reply(w.ref, {}),
    **{
        f"BlockingRawHandler.{name}": _of_raw(lambda r, call=call: call(r.sync))  # type: ignore[misc]
        for name, call in RAW.items()
    },
    **{
        f"BlockingPresence.{name}": _of_presence(lambda p, c, call=call: call(p.sync, c))  # type: ignore[misc]
        for name, call in PRESENCE.items()
    },
}
"""Calls for threads without an event loop."""


@asynccontextmanager
async def world() -> AsyncIterator[tuple[Server, World]]:
    """Start a server with a client in a channel, and a client on a raw socket."""
    presence = Presence(window=0)
    endpoint = Endpoint(
        sockets={
            "/socket": Socket(connect=lambda: None, channels={"room:*": Room}),
            "/raw": RawSocket(connect=lambda: None, handler=Echo),
        },
        presence=presence,
    )
    async with serve(endpoint) as server:
        client = await server.connect()
        assert await client.join("room:1") == ok()
        client.push("room:1", "keep")
        await server.open("/raw/websocket")
        await settle()
        assert Room.made is not None
        made = World(endpoint, presence)
        yield server, made
        made.subscription.cancel()


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
    from ..support.frames import decode_v2

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

    with asyncio.Runner(loop_factory=AUTOJUMP[1]["loop_factory"]) as runner:
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
    "pubsub.subscribe": lambda e: e.pubsub.subscribe("t", _ignore),
    "pubsub.publish": lambda e: e.pubsub.publish("t", b""),
}


@pytest.mark.parametrize("name", BEFORE)
def test_before_the_start_and_in_a_process_that_serves_nobody(name: str) -> None:
    """The error says that the application is imported by a script or a worker of a task queue."""
    endpoint = endpoint_of({"room:*": Room})
    with pytest.raises(
        NotStarted, match=rf"{name}.* reaches nobody.*this process \({os.getpid()}\)"
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
                here.endpoint.telemetry.attach(_ignore)
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


# A second event loop after the first.


def test_an_endpoint_that_was_stopped_starts_on_another_event_loop() -> None:
    """A server that is started again in the same process uses another event loop."""
    endpoint = endpoint_of({"room:*": Room})

    async def use() -> None:
        await endpoint.start()
        await endpoint.broadcast("room:1", "news")
        await asyncio.to_thread(endpoint.sync.broadcast, "room:1", "news")
        await endpoint.stop()

    for _ in range(2):
        asyncio.run(use())
        assert not endpoint.is_started


def test_an_endpoint_whose_event_loop_was_closed_starts_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The event loop of a test can be closed without a stop. The endpoint can then start again, and serves clients."""
    endpoint = Endpoint(
        sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room}, longpoll=True)},
        presence=Presence(),
    )
    sent: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def once() -> None:
        received: asyncio.Queue[Any] = asyncio.Queue()
        answers: asyncio.Queue[Any] = asyncio.Queue()
        received.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": "/socket/websocket",
            "query_string": b"vsn=2.0.0",
            "headers": [],
            "scheme": "ws",
        }
        tasks.append(asyncio.create_task(_serve(endpoint, scope, received, answers)))
        sent.append((await answers.get())["type"])
        received.put_nowait(
            {"type": "websocket.receive", "text": '["1","1","room:1","phx_join",{}]'}
        )
        await answers.get()
        await endpoint.broadcast("room:1", "news")
        sent.append((await answers.get())["text"])
        # The loop is closed while the client is connected, and the endpoint is not stopped.

    for _ in range(3):
        asyncio.run(once())
        with pytest.raises(WrongThread, match="is closed"):
            asyncio.run(endpoint.broadcast("room:1", "news"))
        with pytest.raises(WrongThread, match="is closed"):
            endpoint.sync.broadcast("room:1", "news")
    assert sent == ["websocket.accept", '[null,null,"room:1","news",{}]'] * 3
    assert endpoint.connections <= 1
    assert sum("starts anew" in record.getMessage() for record in caplog.records) == 2
    gc.collect()


async def _serve(
    endpoint: Endpoint, scope: Any, received: asyncio.Queue[Any], answers: asyncio.Queue[Any]
) -> None:
    await endpoint(scope, received.get, answers.put)


def test_an_event_loop_that_stands_still_is_no_place_to_start_a_second_time() -> None:
    """An event loop that does not run can run again, so the endpoint must be stopped on that event loop."""
    endpoint = endpoint_of({"room:*": Room})
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(endpoint.start())
        for call in (endpoint.start, lambda: endpoint.broadcast("t", "e"), endpoint.stop):
            with pytest.raises(WrongThread, match="does not run at the moment"):
                second.run(_call(call))
        with pytest.raises(WrongThread, match="does not run at the moment"):
            endpoint.sync.broadcast("t", "e")
        first.run(endpoint.stop())
        second.run(endpoint.start())
        second.run(endpoint.stop())


async def _call(call: Callable[[], Awaitable[None]]) -> None:
    await call()


async def test_a_client_that_comes_on_a_second_event_loop_is_told() -> None:
    """The client gets an error, for example with two servers of one endpoint in one process."""
    async with world() as (_, here):

        async def receive() -> Any:
            raise AssertionError("nothing is read of it")

        async def send(event: Any) -> None:
            raise AssertionError(event)

        scope = {
            "type": "websocket",
            "path": "/socket/websocket",
            "query_string": b"",
            "headers": [],
        }

        async def come() -> None:
            with pytest.raises(WrongThread, match="a client connected outside of the event loop"):
                await here.endpoint(scope, receive, send)

        await asyncio.to_thread(asyncio.run, come())


async def _fail() -> None:
    raise ZeroDivisionError


async def test_a_start_that_fails_leaves_nothing_behind() -> None:
    """After a failed start the endpoint is as before the start."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await endpoint.broadcast("room:1", "it may be used here")
        yield
        await endpoint.broadcast("room:1", "and here")

    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        await _fail()
        yield

    endpoint = endpoint_of({"room:*": Room}, lifespan=broken)
    with pytest.raises(ZeroDivisionError):
        await endpoint.start()
    with pytest.raises(NotStarted):
        await endpoint.broadcast("room:1", "e")
    endpoint = endpoint_of({"room:*": Room}, lifespan=lifespan)
    await endpoint.start()
    await endpoint.stop()


async def test_a_lifespan_that_fails_at_its_end_leaves_nothing_behind() -> None:
    """A lifespan that fails at its end leaves nothing behind."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        raise ZeroDivisionError

    endpoint = endpoint_of({"room:*": Room}, lifespan=lifespan)
    for _ in range(2):
        await endpoint.start()
        with pytest.raises(ZeroDivisionError):
            await endpoint.stop()
        assert not endpoint.is_started
        with pytest.raises(NotStarted):
            await endpoint.broadcast("room:1", "e")


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
    home.forget_parent()
    with pytest.raises(NotStarted, match=r"await endpoint\.start\(\) first"):
        _ = home.loop


# All that is public.


READS = {
    "Endpoint": {"lifespan", "wrap", "serve_native"},
    "PubSub": {
        "listen",  # subscribe, for the parts of Bennu
        "send",  # local_broadcast, for a caller that has checked the event loop
        "start",
        "stop",
        "unbind",
        "abandon",
        "enter",
        "leave",
        "move",
        "may_reach",
        "subscribers",
    },
    "Channel": {"ref", "join", "after_join", "handle_in", "terminate"},
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
    },
    "Telemetry": {"attach", "dropped", "limit_exceeded", "emit"},
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
