"""The application of the suite: one endpoint with a socket for each set of options.

Its channels do what the channels of Phoenix's integration tests do. A test controls them by the topic of its
join and by its events, and reads in the :class:`Journal` what no client can see.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from msgspec import Struct

from bennu import (
    Broadcast,
    Channel,
    ConnectInfo,
    Endpoint,
    Error,
    LongPoll,
    Ok,
    RawHandler,
    RawSocket,
    Refused,
    Reply,
    ReplyRef,
    Socket,
    Stop,
    on,
    on_info,
    on_out,
)

__all__ = ["Journal", "make_endpoint"]


@dataclass(frozen=True)
class User:
    """The assigns of every connection."""

    params: dict[str, Any]
    info: ConnectInfo

    @property
    def name(self) -> str | None:
        """The id of the connection."""
        return self.params.get("name")


class Journal:
    """The state of the endpoint: what has happened, and the gates of slow channels."""

    def __init__(self) -> None:
        self._gates: dict[str, asyncio.Event] = {}
        self._notes: dict[tuple[str, str], asyncio.Queue[Any]] = {}

    def note(self, topic: str, what: str, value: Any) -> None:
        """Record an entry."""
        self._queue(topic, what).put_nowait(value)

    async def read(self, topic: str, what: str) -> Any:
        """Wait for an entry, and return it."""
        async with asyncio.timeout(20):
            return await self._queue(topic, what).get()

    def has(self, topic: str, what: str) -> bool:
        """Return whether there is an entry."""
        return not self._queue(topic, what).empty()

    async def end_of(self, topic: str) -> str | Exception:
        """Return the reason of a channel's end, after its ``terminate`` has run."""
        reason: str | Exception = await self.read(topic, "ended")
        return reason

    def gate(self, topic: str) -> asyncio.Event:
        """Return the event that a slow channel waits for."""
        return self._gates.setdefault(topic, asyncio.Event())

    def close_gates(self) -> None:
        """Make all slow channels wait again."""
        self._gates.clear()

    async def pass_gate(self, topic: str) -> None:
        """Record that a channel waits, and wait."""
        self.note(topic, "waits", True)
        await self.gate(topic).wait()

    def _queue(self, topic: str, what: str) -> asyncio.Queue[Any]:
        return self._notes.setdefault((topic, what), asyncio.Queue())


class Recording(Channel[User, Journal]):
    """A channel that records its end."""

    async def terminate(self, reason: str | Exception) -> None:
        self.state.note(self.topic, "ended", reason)


@dataclass
class Answer:
    """A message of the channel to itself: answer this later."""

    ref: ReplyRef


class Room(Recording):
    """The channel that most tests use."""

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return Ok(payload)

    @on("silent")
    async def silent(self) -> None:
        """Send no reply."""

    @on("push")
    async def pushes(self, payload: Any) -> None:
        await self.push("pushed", payload)

    @on("shout")
    async def shout(self, payload: Any) -> None:
        await self.broadcast("shouted", payload)

    @on("shout_from")
    async def shout_from(self, payload: Any) -> None:
        await self.broadcast_from("shouted", payload)

    @on("shout_and_reply")
    async def shout_and_reply(self, payload: Any) -> Ok:
        await self.broadcast("shouted", payload)
        return Ok()

    @on("refuse")
    async def refuse(self) -> None:
        raise Refused("no", extra=1)

    @on("custom")
    async def custom(self) -> Reply:
        return Reply("whatever", {"a": 1})

    @on("failed")
    async def failed(self) -> Error:
        return Error({"b": 2})

    @on("later")
    async def later(self) -> None:
        self.send_self(Answer(self.ref()))

    @on_info(Answer)
    async def answer(self, message: Answer) -> None:
        await message.ref.reply({"times": 1})
        await message.ref.reply({"times": 2})

    @on("crash")
    async def crash(self) -> None:
        raise RuntimeError("as the test wanted")

    @on("stop")
    async def stop(self, reason: str) -> None:
        raise Stop(reason)

    @on("stop_with_reply")
    async def stop_with_reply(self, reason: str) -> None:
        raise Stop(reason, reply={"bye": True})

    @on("typed")
    async def typed(self, payload: Typed) -> None:
        """Take a number."""

    @on("transport")
    async def transport(self) -> dict[str, Any]:
        return {"transport": self.connection.transport, "id": self.connection.id}

    @on("wait")
    async def wait(self) -> Ok:
        await self.state.pass_gate(self.topic)
        return Ok()


class Typed(Struct):
    """A payload."""

    n: int


class Intercepting(Recording):
    """A channel that changes an intercepted broadcast."""

    @on("shout")
    async def shout(self, payload: dict[str, Any]) -> Ok:
        await self.broadcast("shouted", payload)
        return Ok()

    @on_out("shouted")
    async def shouted(self, payload: dict[str, Any]) -> None:
        await self.push("shouted", {**payload, "transport": self.connection.transport})


class Eager(Recording):
    """A channel that pushes after its join, and in its terminate."""

    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"joined": payload}

    async def after_join(self) -> None:
        await self.broadcast("everyone", {"x": 1})
        await self.push("pushed", {"y": 2})

    async def terminate(self, reason: str | Exception) -> None:
        if self.connection.transport and not isinstance(reason, Exception):
            await self.push("farewell", {"reason": reason})
        await super().terminate(reason)

    @on("stop")
    async def stop(self, reason: str) -> None:
        raise Stop(reason)

    @on("stop_with_reply")
    async def stop_with_reply(self, reason: str) -> None:
        raise Stop(reason, reply={"bye": True})


class Binary(Recording):
    """A channel whose join has a binary reply."""

    async def join(self) -> bytes:
        return b"\x01\x02\x03"


class Refusing(Recording):
    """A channel that refuses each join."""

    async def join(self, payload: dict[str, Any]) -> None:
        raise Refused("unauthorized", **payload)


class Crashing(Recording):
    """A channel whose join crashes."""

    async def join(self) -> None:
        raise RuntimeError("as the test wanted")


class Slow(Room):
    """A channel whose join waits until the test opens its gate."""

    async def join(self) -> None:
        await self.state.pass_gate(self.topic)


class Stubborn(Recording):
    """A channel whose handler ignores its cancellation."""

    @on("wait")
    async def wait(self) -> None:
        while not self.state.gate(self.topic).is_set():
            try:
                await self.state.pass_gate(self.topic)
            except asyncio.CancelledError:
                self.state.note(self.topic, "cancelled", True)


class Catching(Recording):
    """A channel that handles each event without a handler."""

    async def handle_in(self, event: str, payload: Any) -> dict[str, Any]:
        return {"event": event, "payload": payload}


class Listening(Recording):
    """A channel that listens to another topic."""

    async def after_join(self) -> None:
        self.subscribe("news")

    @on_info(Broadcast)
    async def heard(self, broadcast: Broadcast) -> None:
        await self.push("heard", {"event": broadcast.event})


class Informed(Recording):
    """A channel that replies with the info of the request."""

    async def join(self) -> dict[str, Any]:
        info = self.assigns.info
        return {
            "params": self.assigns.params,
            "peer": list(info.peer),
            "uri": info.uri._asdict(),
            "user_agent": info.user_agent,
            "x_headers": info.x_headers,
            "sec_websocket_headers": info.sec_websocket_headers,
            "trace_context_headers": info.trace_context_headers,
            "auth_token": info.auth_token,
            "cookies": info.cookies,
            "transport": info.transport,
            "state": type(info.state).__name__,
        }


class Renaming(Recording):
    """A channel that rebinds its assigns."""

    @on("name")
    async def name(self, name: str) -> None:
        self.assigns = replace(self.assigns, params={"name": name})

    @on("who")
    async def who(self) -> dict[str, Any]:
        return {"name": self.assigns.name}


async def admit(params: dict[str, Any], info: ConnectInfo) -> User:
    """Accept every client."""
    return User(params, info)


async def refuse() -> User:
    """Refuse every client."""
    raise Refused("bad token")


async def crash() -> User:
    """Raise an error."""
    raise RuntimeError("as the test wanted")


async def wait(params: dict[str, Any], info: ConnectInfo) -> User:
    """Accept every client after the test opens the gate."""
    try:
        await info.state.pass_gate(params["gate"])
    except asyncio.CancelledError:
        info.state.note(params["gate"], "cancelled", True)
        raise
    return User(params, info)


class Paged(Struct):
    """The required query of one socket."""

    page: int


def paged(params: Paged, info: ConnectInfo) -> User:
    """Take typed parameters, in a worker thread."""
    return User({"page": params.page}, info)


CHANNELS = {
    "room:*": Room,
    "out:*": Intercepting,
    "eager:*": Eager,
    "binary:*": Binary,
    "refusing:*": Refusing,
    "crashing:*": Crashing,
    "slow:*": Slow,
    "stubborn:*": Stubborn,
    "catching:*": Catching,
    "listening:*": Listening,
    "info:*": Informed,
    "renaming:*": Renaming,
}


def socket(**options: Any) -> Socket[User]:
    """Return a socket with all channels that accepts every client, with these options."""
    defaults: dict[str, Any] = {
        "connect": admit,
        "channels": CHANNELS,
        "id": lambda user: user.name,
    }
    return Socket(**(defaults | options))


class Raw(RawHandler[User, Journal]):
    """A raw socket that echoes, until a message ends it."""

    async def opened(self) -> str:
        return f"welcome, {self.assigns.name}"

    async def receive(self, message: str | bytes) -> Any:
        if message == "close":
            await self.close(4000, "as you wish")
        if message == "crash":
            raise RuntimeError("as the test wanted")
        return [message, b"and bytes"]

    async def closed(self, reason: str | Exception) -> None:
        self.state.note(f"raw:{self.assigns.name}", "ended", reason)


def make_endpoint(*, trusted_proxies: Sequence[str] = ()) -> Endpoint:
    """Return the endpoint of the application."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Journal]:
        yield Journal()

    return Endpoint(
        trusted_proxies=trusted_proxies,
        sockets={
            "/socket": socket(),
            "/ws/admin": socket(),
            "/one": socket(max_channels=1),
            "/impatient": socket(timeout=0.2),
            "/poll": socket(longpoll=LongPoll(max_body=1000)),
            "/small": socket(max_frame_size=200),
            "/auth": socket(auth_token=True, subprotocols=["chat"]),
            "/sub": socket(subprotocols=["chat.v2", "chat.v1"]),
            "/strict": socket(check_origin=["https://example.com", "//*.example.org"]),
            "/open": socket(check_origin=False),
            "/same": socket(check_origin="conn"),
            "/asked": socket(check_origin=lambda origin: origin.text == "null"),
            "/quiet": socket(log=False),
            "/refusing": socket(connect=refuse),
            "/busy": socket(connect=refuse, error_handler=lambda refused: (429, b"later")),
            "/crashing": socket(connect=crash),
            "/odd": socket(id=lambda user: 7),
            "/waiting": socket(connect=wait),
            "/paged": socket(connect=paged),
            "/raw": RawSocket(connect=admit, id=lambda user: user.name, handler=Raw),
            "/tenants/{tenant}": socket(path="of/{project}/{_hidden}/ws"),
        },
        lifespan=lifespan,
    )
