"""The result of something that was sent: it can be awaited now, later, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, cast

__all__ = ["Promise"]

T = TypeVar("T")


class Promise(Generic[T]):
    """The result of a join, a push or a leave. ``await`` it for the result.

    The message was sent by the call that returned the promise. A promise that nobody awaits logs nothing, whatever its
    result. It can be awaited several times, and in several tasks.
    """

    __slots__ = ("_error", "_is_done", "_read", "_value", "_waiters")

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read: Callable[[Any], T] | None = read
        self._value: Any = None
        self._error: Exception | None = None
        self._is_done = False
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def is_done(self) -> bool:
        """Whether the result is there: then ``await`` does not wait."""
        return self._is_done

    def __await__(self) -> Generator[Any, None, T]:
        if not self._is_done:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                yield from waiter
            finally:
                if not self._is_done:
                    self._waiters.remove(waiter)
        if self._error is not None:
            raise self._error
        if self._read is not None:  # decode once
            self._value, self._read = self._read(self._value), None
        return cast("T", self._value)

    def keep(self, value: Any) -> None:
        """Set the result, as it came over the wire. Of several results the first counts."""
        if not self._is_done:
            self._value = value
            self._settle()

    def fail(self, error: Exception) -> None:
        """Set the exception that ``await`` raises. Of several results the first counts."""
        if not self._is_done:
            self._error = error
            self._settle()

    def _settle(self) -> None:
        self._is_done = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
