"""An endpoint that raises in one place of a user's code: for every place, and every kind of exception."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from bennu import (
    Channel,
    Endpoint,
    Ok,
    Presence,
    RawHandler,
    RawSocket,
    Refused,
    Socket,
    on,
    on_info,
    on_out,
)
from bennu.message import Draining

__all__ = ["KINDS", "bomb", "endpoint_with"]


class Odd(BaseException):
    """An exception that is no Exception."""


def group() -> BaseException:
    return ExceptionGroup("several", [ValueError("one"), TypeError("two")])


def base_group() -> BaseException:
    return BaseExceptionGroup("several", [SystemExit(2), ValueError("one")])


KINDS: dict[str, Callable[[], BaseException]] = {
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "ExceptionGroup": group,
    "BaseExceptionGroup": base_group,
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
    "Odd": Odd,
}


class Bomb:
    """Raises in one place, once it is armed."""

    def __init__(self) -> None:
        self.place = ""
        self.make: Callable[[], BaseException] = ValueError
        self.exploded = 0

    def __call__(self, place: str) -> None:
        if place == self.place:
            self.exploded += 1
            raise self.make()


bomb = Bomb()


class Tick:
    """A message of the server."""


class Picky(msgspec.Struct):
    """A payload that runs code when it is made."""

    text: str

    def __post_init__(self) -> None:
        bomb("payload")


class AsyncRoom(Channel):
    """A channel whose methods are async."""

    async def join(self) -> None:
        await asyncio.sleep(0)
        bomb("join")

    async def after_join(self) -> None:
        bomb("after_join")

    @on("event")
    async def event(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        bomb("event")
        return {}

    @on("picky")
    async def picky(self, payload: Picky) -> Ok:
        return Ok()

    async def handle_in(self, event: str, payload: Any) -> Ok:
        bomb("handle_in")
        return Ok()

    @on("tick")
    async def tick(self) -> Ok:
        self.send_self(Tick())
        return Ok()

    @on_info(Tick)
    async def ticked(self, message: Tick) -> None:
        bomb("on_info")

    @on_out("out")
    async def out(self, payload: Any) -> None:
        bomb("on_out")

    @on("task")
    async def task(self) -> Ok:
        async def run() -> None:
            bomb("task")

        _ = self.start(run())
        return Ok()

    async def terminate(self, reason: Any) -> None:
        bomb("terminate")


class PlainRoom(Channel):
    """A channel whose methods run in a thread."""

    def join(self) -> None:
        bomb("join")

    def after_join(self) -> None:
        bomb("after_join")

    @on("event")
    def event(self) -> dict[str, Any]:
        bomb("event")
        return {}

    @on("picky")
    def picky(self, payload: Picky) -> Ok:
        return Ok()

    def handle_in(self, event: str, payload: Any) -> Ok:
        bomb("handle_in")
        return Ok()

    @on("tick")
    def tick(self) -> Ok:
        self.sync.send_self(Tick())
        return Ok()

    @on_info(Tick)
    def ticked(self, message: Tick) -> None:
        bomb("on_info")

    @on_out("out")
    def out(self, payload: Any) -> None:
        bomb("on_out")

    @on("task")
    def task(self) -> Ok:
        async def run() -> None:
            bomb("task")

        self.sync.start(run())
        return Ok()

    def terminate(self, reason: Any) -> None:
        bomb("terminate")


class AsyncRaw(RawHandler):
    """A raw handler whose methods are async."""

    async def opened(self) -> None:
        bomb("opened")

    async def receive(self, message: str | bytes) -> str | bytes:
        bomb("receive")
        return message

    async def info(self, message: Any) -> None:
        bomb("info")

    async def draining(self, news: Draining) -> None:
        bomb("draining")

    async def closed(self, reason: Any) -> None:
        bomb("closed")


class PlainRaw(RawHandler):
    """A raw handler whose methods run in a thread."""

    def opened(self) -> None:
        bomb("opened")

    def receive(self, message: str | bytes) -> str | bytes:
        bomb("receive")
        return message

    def info(self, message: Any) -> None:
        bomb("info")

    def draining(self, news: Draining) -> None:
        bomb("draining")

    def closed(self, reason: Any) -> None:
        bomb("closed")


def exploding(place: str, result: Any, *, is_async: bool) -> Any:
    """Return a function of any arguments that raises if its bomb is armed, and otherwise returns a value."""

    def plain(*_: Any) -> Any:
        bomb(place)
        return result

    async def later(*_: Any) -> Any:
        await asyncio.sleep(0)
        bomb(place)
        return result

    return later if is_async else plain


def endpoint_with(*, is_async: bool) -> Endpoint:
    """Return an endpoint with a bomb in every place."""

    def of(place: str, result: Any = None) -> Any:
        return exploding(place, result, is_async=is_async)

    def refuses(params: dict[str, str]) -> str:
        if params.get("name") == "refused":
            raise Refused("banned")
        bomb("connect")
        return "ann"

    async def refuses_later(params: dict[str, str]) -> str:
        return refuses(params)

    async def refresh(token: str, info: Any) -> None:
        bomb("refresh")

    def plain_refresh(token: str, info: Any) -> None:
        bomb("refresh")

    def of_info(info: Any) -> Any:
        return of("session", {})(info)

    presence = Presence(
        window=0,
        fetch=of("fetch", {}),
        joined=of("joined"),
        left=of("left"),
        handle_metas=of("handle_metas"),
    )
    common: dict[str, Any] = {
        "id": of("id", "users:1"),
        "check_origin": of("check_origin", True),
        "session": of_info,
        "check_csrf": False,
        "error_handler": of("error_handler", (429, b"later")),
        "connect": refuses_later if is_async else refuses,
    }
    socket: Socket[Any] = Socket(
        channels={"room": AsyncRoom if is_async else PlainRoom},
        refresh=refresh if is_async else plain_refresh,
        **common,
    )
    raw: RawSocket[Any] = RawSocket(handler=AsyncRaw if is_async else PlainRaw, **common)
    endpoint = Endpoint(sockets={"/socket": socket, "/raw": raw}, presence=presence)
    endpoint.telemetry.attach(lambda event: bomb("telemetry"))
    return endpoint
