"""The one way in which a function of the user's is called.

Theory of operation
-------------------
A user's function may be ``async def`` or ``def``, a lambda or a decorator that returns a coroutine, a
``functools.partial``, or an object with ``__call__``. Each place that takes one makes a :class:`Callback`
of it, and calls it by one of four methods:

- :meth:`Callback.ask` awaits an async function, and runs a plain one in a worker thread;
- :meth:`Callback.here` is for short functions of the handshake: a plain one runs on the event loop;
- :meth:`Callback.now` is for places that can't wait: what has to be awaited is an error there;
- :meth:`Callback.begin` is ``ask`` for the handlers of messages, whose caller does the rest itself.

All of them agree on three things. What can be awaited is awaited: a coroutine is never taken for a result.
A generator is no result. And what a user's function raises is an ``Exception`` when it comes out of here:
a ``SystemExit``, a ``GeneratorExit`` or a ``CancelledError`` of the function's own becomes a
:class:`~bennu.errors.CallbackError`, so that it ends what called the function and never the server. A
cancellation from outside, a closed coroutine and the exception of a signal handler (Ctrl-C) pass.
"""

from __future__ import annotations

import asyncio
import inspect
import opcode
import signal
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from types import (
    AsyncGeneratorType,
    CodeType,
    CoroutineType,
    FrameType,
    GeneratorType,
    TracebackType,
)
from typing import Any, Final, Protocol, cast

from ..errors import CallbackError
from ..logs.printable import described
from .functions import expect_awaitable_or_plain, expect_plain, is_async, name_of

__all__ = ["UNFINISHED", "Callback", "Workers", "call_now", "crash_of"]

UNFINISHED: Final = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""Types of what a function returns that has not done its work yet."""

_RAISE: Final = opcode.opmap["RAISE_VARARGS"]


class Workers(Protocol):
    """Where plain functions run."""

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run :meth:`Callback.work` in a worker thread, and return what it returned."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Callback:
    """A function of the user's.

    Attributes:
        subject: What the user gave it as, for errors: ``Socket(connect=...)``.
        function: It. Nobody but this module calls it.
        is_async: Whether it is called on the event loop and awaited.
        name: What it is called in logs.

    Raises:
        DefinitionError: It is a generator.
    """

    subject: str
    function: Callable[..., Any]
    is_async: bool = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        expect_awaitable_or_plain(self.subject, self.function)
        object.__setattr__(self, "is_async", is_async(self.function))
        object.__setattr__(self, "name", name_of(self.function))

    @classmethod
    def plain(cls, subject: str, function: Callable[..., Any], *, why: str, write: str) -> Callback:
        """Return the callback of a place that can't wait: for :meth:`now`.

        Raises:
            DefinitionError: The function is async.
        """
        expect_plain(subject, function, why=why, write=write)
        return cls(subject, function)

    # The four ways.

    async def ask(self, workers: Workers, /, *args: Any) -> Any:
        """Call it, a plain function in a worker thread; return its result.

        Raises:
            CallbackError: It raised what is no Exception, or returned a generator.
            Exception: What it raised.
        """
        try:
            value = await self.begin(workers, *args)
            return None if value is None else await self.finish(value)
        except Exception:
            raise
        except BaseException as error:
            raise crash_of(error, self.name) from error

    async def here(self, /, *args: Any) -> Any:
        """Call it on the event loop, whatever it is; return its result.

        Raises:
            CallbackError: It raised what is no Exception, or returned a generator.
            Exception: What it raised.
        """
        try:
            return await self.finish(self.function(*args))
        except Exception:
            raise
        except BaseException as error:
            raise crash_of(error, self.name) from error

    def now(self, /, *args: Any) -> Any:
        """Call it where nothing can be awaited; return its result.

        Raises:
            CallbackError: It raised what is no Exception, or returned something to be awaited.
            Exception: What it raised.
        """
        return call_now(self.name, self.function, *args)

    def begin(self, workers: Workers, /, *args: Any) -> Awaitable[Any]:
        """Return its running, to be awaited at once, for a caller that cares for the result itself.

        What it returns may be ``UNFINISHED`` and goes to :meth:`finish`; what it raises that is no
        Exception goes to :func:`crash_of`.
        """
        if self.is_async:
            running: Awaitable[Any] = self.function(*args)
            return running
        return self._in_thread(workers, args)

    # What they are made of.

    async def finish(self, value: Any) -> Any:
        """Return what a result comes to: what can be awaited is awaited.

        Raises:
            CallbackError: It is a generator.
        """
        if value is None:
            return None
        while _is_awaitable(value):
            value = await (
                asyncio.wrap_future(cast("Future[Any]", value))
                if isinstance(value, Future)
                else value
            )
        if type(value) in UNFINISHED:
            raise CallbackError(
                f"{self.subject}: {self.name} returned a generator, of which nothing runs:"
                " return the result, without `yield`"
            )
        return value

    async def _in_thread(self, workers: Workers, args: tuple[Any, ...]) -> Any:
        value = await workers.in_thread(self, *args)
        return value if value is None else await self.finish(value)

    def work(self, /, *args: Any) -> Any:
        """Call it in a worker thread.

        Raises:
            CallbackError: It raised what is no Exception, or what no future can carry.
            Exception: What it raised.
        """
        try:
            return self.function(*args)
        except StopIteration as error:
            raise CallbackError(f"{self.name} raised {described(error)}") from error
        except Exception:
            raise
        except BaseException as error:
            raise CallbackError(f"{self.name} raised {described(error)}") from error


def call_now(name: str, function: Callable[..., Any], /, *args: Any) -> Any:
    """Call a function of the user's where nothing can be awaited; see :meth:`Callback.now`.

    Args:
        name: What it is called in errors.
        function: It.
        args: What it gets.

    Raises:
        CallbackError: It raised what is no Exception, or returned something to be awaited.
        Exception: What it raised.
    """
    try:
        value = function(*args)
    except Exception:
        raise
    except BaseException as error:
        raise crash_of(error, name) from error
    if value is None or not (type(value) in UNFINISHED or _is_awaitable(value)):
        return value
    if isinstance(value, CoroutineType):
        value.close()
    raise CallbackError(
        f"{name} returned something to be awaited, where nothing can be: write a plain function"
        " that returns its result"
    )


def _is_awaitable(value: object) -> bool:
    """Return whether a value is still to come: what can be awaited, or a future of a thread.

    For what can be awaited it is ``inspect.isawaitable``, several times as fast for the usual values.
    """
    kind = type(value)
    return (
        hasattr(kind, "__await__")
        or issubclass(kind, Future)
        or (kind is GeneratorType and inspect.isawaitable(value))
    )


def crash_of(error: BaseException, name: str) -> Exception:
    """Return what a user's function raised as an exception that ends no more than its caller.

    Called while the exception is handled. What is none of the function's own is raised again: the
    cancellation of this task, the end of a coroutine that is closed, Ctrl-C.

    Args:
        error: What was raised.
        name: What the function is called.
    """
    if isinstance(error, Exception):
        return error
    if _is_from_outside(error):
        raise error
    crash = CallbackError(f"{name} raised {described(error)}")
    crash.__cause__ = error
    return crash


def _is_from_outside(error: BaseException) -> bool:
    if isinstance(error, asyncio.CancelledError):
        task = _current_task()
        return task is None or task.cancelling() > 0
    if isinstance(error, GeneratorExit):
        return not _is_raised_by_code(error)
    return isinstance(error, KeyboardInterrupt | SystemExit) and _is_of_signal(error)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs: the coroutine is closed at the end of the program
        return None


def _is_of_signal(error: BaseException) -> bool:
    """Return whether a signal's handler raised it: a handler may run in the midst of any code."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    codes = {_code_of(handler) for handler in handlers} - {None}
    if any(frame.f_code in codes for frame in _frames(error.__traceback__)):
        return True
    if not isinstance(error, KeyboardInterrupt) or signal.default_int_handler not in handlers:
        return False
    return not _is_raised_by_code(error)  # Python's own handler leaves no frame


def _code_of(handler: Any) -> CodeType | None:
    while isinstance(handler, partial):
        handler = handler.func
    return getattr(getattr(handler, "__func__", handler), "__code__", None)


def _is_raised_by_code(error: BaseException) -> bool:
    """Return whether a ``raise`` raised it, and not somebody who threw it into waiting code."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return False
    return last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE


def _frames(traceback: TracebackType | None) -> Generator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next
