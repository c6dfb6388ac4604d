"""The pings of an application: how long the server takes to answer."""

from __future__ import annotations

import asyncio

from .errors import ConnectFailed
from .promise import Promise

__all__ = ["Pings"]


class Pings:
    """The pings of one client that have no answer yet."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[object, tuple[float, asyncio.TimerHandle, Promise[float]]] = {}

    def begin(self, ref: str, timeout: float) -> Promise[float]:
        """Note a ping that is sent now. The promise is kept with the seconds until the answer."""
        loop = asyncio.get_running_loop()
        promise: Promise[float] = Promise(_same)
        timer = loop.call_later(timeout, self._be_late, ref)
        self._waiting[ref] = (loop.time(), timer, promise)
        return promise

    def heard(self, ref: object) -> None:
        """Take the ref of a message, which can be the answer to a ping."""
        if ref in self._waiting:
            sent, timer, promise = self._waiting.pop(ref)
            timer.cancel()
            promise.keep(asyncio.get_running_loop().time() - sent)

    def lose(self) -> None:
        """Fail all, because their connection has ended."""
        waiting, self._waiting = self._waiting, {}
        for _, timer, promise in waiting.values():
            timer.cancel()
            promise.fail(ConnectFailed("the connection ended before the answer to a ping"))

    def _be_late(self, ref: str) -> None:
        _, _, promise = self._waiting.pop(ref)
        promise.fail(ConnectFailed("a ping was not answered in time"))


def _same(value: float) -> float:
    return value
