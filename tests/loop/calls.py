"""One call of each public method that belongs to an event loop, and a server with the objects to call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from bennu import (
    Broadcast,
    Channel,
    DefinitionError,
    Endpoint,
    History,
    Presence,
    RawHandler,
    RawSocket,
    Socket,
    on,
    on_info,
)
from bennu.testing.clock import settle

from ..support.memory import Server, ok, serve

__all__ = ["CALLS", "LIFE", "TWINS", "UNDONE", "Call", "Room", "World", "ignore", "world"]


class Room(Channel[Any]):
    """Gives its object and a ref to the test."""

    history = History(size=10)

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
        self.subscription = endpoint.pubsub.subscribe("other", ignore)
        self.channel: Any = Room.made
        self.ref: Any = Room.kept
        self.raw: Any = Echo.made
        self.cancels: list[Callable[[], None]] = [
            self.channel.send_after(1e6, 1),
            self.channel.send_every(1e6, 1),
            self.channel.subscribe("third"),
        ]


def ignore(*_: object) -> None:
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
    "nodes": lambda w: w.endpoint.nodes(),
    "accounts": lambda w: w.endpoint.accounts(),
    "channels": lambda w: w.endpoint.channels(),
    "history": lambda w: w.endpoint.history("room:1"),
    "position": lambda w: w.endpoint.position("room:1"),
    "measure_assigns": lambda w: w.endpoint.measure_assigns(),
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
    "direct_broadcast": lambda w: w.endpoint.pubsub.direct_broadcast("nobody", "t", 1),
    "local_broadcast": lambda w: w.endpoint.pubsub.local_broadcast("t", 1),
    "disconnect": lambda w: w.endpoint.pubsub.disconnect("nobody"),
    "nodes": lambda w: w.endpoint.pubsub.nodes(),
    "publish": lambda w: w.endpoint.pubsub.publish("t", b""),
    "on_publish": lambda w: w.endpoint.pubsub.on_publish("t", ignore),
    "subscribe": lambda w: w.endpoint.pubsub.subscribe("t", ignore),
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
    "history": lambda channel: channel.history(),
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


def _without_database(call: Callable[[], object]) -> None:
    """Make a call that needs a store in a database, which this endpoint has not."""
    with suppress(DefinitionError):
        call()


async def _transaction(w: Any) -> None:
    with suppress(DefinitionError):  # the same
        await w.endpoint.transaction(ignore)


CALLS: dict[str, Call] = {
    "Endpoint.transaction": _transaction,
    **{f"Endpoint.{name}": call for name, call in ENDPOINT.items()},
    **{f"PubSub.{name}": call for name, call in PUBSUB.items()},
    **{f"Channel.{name}": _of_channel(call) for name, call in CHANNEL.items()},
    **{f"RawHandler.{name}": _of_raw(call) for name, call in RAW.items()},
    **{f"Presence.{name}": _of_presence(call) for name, call in PRESENCE.items()},
    "Presence.present": _present,
    "ReplyRef.reply": lambda w: w.ref.reply({}),
    "Telemetry.emit": lambda w: w.endpoint.telemetry.emit(w),
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
    "BlockingEndpoint.history": lambda w: w.endpoint.sync.history("room:1"),
    "BlockingEndpoint.position": lambda w: w.endpoint.sync.position("room:1"),
    "BlockingEndpoint.measure_assigns": lambda w: w.endpoint.sync.measure_assigns(),
    "BlockingEndpoint.transaction": lambda w: _without_database(
        lambda: w.endpoint.sync.transaction(ignore)
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
