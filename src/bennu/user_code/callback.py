"""Calls the user's functions. All modules call them through a :class:`Callback`.

Theory of operation
-------------------
A user's function can be ``async def`` or ``def``, a lambda or a decorator that returns a coroutine, a
``functools.partial``, or an object with ``__call__``. Each place that takes a function makes a
:class:`Callback` of the function, and calls it by one of four methods:

- :meth:`Callback.call` awaits an async function, and runs a plain function in a worker thread;
- :meth:`Callback.call_on_loop` is for short functions of the handshake: a plain function runs on the event loop;
- :meth:`Callback.call_now` is for places that can't wait: there an awaitable result is an error;
- :meth:`Callback.begin` is ``call`` for the handlers of messages: its caller handles the result and the errors.

All four follow three rules:

1. An awaitable result is awaited. A coroutine is never taken for a result.
2. A generator is not a result.
3. Only an ``Exception`` leaves this module. If the function itself raises a ``SystemExit``, a
   ``GeneratorExit`` or a ``CancelledError``, the caller gets a :class:`~bennu.errors.CallbackError`. So such
   an exception ends the caller, and never the server. A cancellation from outside, the end of a closed
   coroutine and the exception of a signal handler (Ctrl-C) pass unchanged.
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

from ..errors import CallbackError, DefinitionError
from ..logs.printable import described
from .functions import is_async, name_of, refuse_async, refuse_generator

__all__ = ["UNFINISHED", "Callback", "Workers", "call_now", "crash_of"]

UNFINISHED: Final = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""Types of results that mean that the function's body has not run to its end."""

_RAISE: Final = opcode.opmap["RAISE_VARARGS"]


class Workers(Protocol):
    """Worker threads, in which plain functions run."""

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run :meth:`Callback.work` in a worker thread, and return its result."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Callback:
    """A function of the user's.

    Attributes:
        subject: The option that the user gave the function as, for errors: ``Socket(connect=...)``.
        function: The user's function. Only this module calls it.
        is_async: Whether the function is called on the event loop and awaited.
        name: The function's name in logs.

    Raises:
        DefinitionError: The function is a generator.
    """

    subject: str
    function: Callable[..., Any]
    is_async: bool = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        refuse_generator(self.subject, self.function)
        object.__setattr__(self, "is_async", is_async(self.function))
        object.__setattr__(self, "name", name_of(self.function))

    @classmethod
    def plain(cls, subject: str, function: Callable[..., Any], *, why: str, write: str) -> Callback:
        """Return a callback for a place that can't wait, which calls it with :meth:`call_now`.

        Args:
            subject: The option that the user gave the function as, for errors.
            function: The user's function.
            why: The reason why the function can't be awaited, for the error.
            write: The code to write instead, for the error.

        Raises:
            DefinitionError: The function is async.
        """
        refuse_async(subject, function, why=why, write=write)
        return cls(subject, function)

    @classmethod
    def optional(cls, subject: str, given: Any, *, write: str) -> Callback | None:
        """Return the callback of an option that can be left out; None if it is None.

        Args:
            subject: The option, for errors: ``Socket(id=...)``.
            given: What the user gave.
            write: The code to write instead, for the error.

        Raises:
            DefinitionError: It is no function.
        """
        if given is None:
            return None
        if not callable(given):
            raise DefinitionError(subject, expected="a function", got=repr(given), write=write)
        return cls(subject, given)

    # The four ways.

    async def call(self, workers: Workers, /, *args: Any) -> Any:
        """Call the function, in a worker thread if it is plain; return its result.

        Args:
            workers: The worker threads for a plain function.
            args: The function's arguments.

        Raises:
            CallbackError: The function raised something other than an Exception, or returned a generator.
            Exception: The function raised it.
        """
        try:
            value = await self.begin(workers, *args)
            return None if value is None else await self.finish(value)
        except Exception:
            raise
        except BaseException as error:
            raise crash_of(error, self.name) from error

    async def call_on_loop(self, /, *args: Any) -> Any:
        """Call the function on the event loop, also a plain one; return its result.

        Raises:
            CallbackError: The function raised something other than an Exception, or returned a generator.
            Exception: The function raised it.
        """
        try:
            return await self.finish(self.function(*args))
        except Exception:
            raise
        except BaseException as error:
            raise crash_of(error, self.name) from error

    def call_now(self, /, *args: Any) -> Any:
        """Call the function where nothing can be awaited; return its result.

        Raises:
            CallbackError: The function raised something other than an Exception, or its result must be awaited.
            Exception: The function raised it.
        """
        return call_now(self.name, self.function, *args)

    def begin(self, workers: Workers, /, *args: Any) -> Awaitable[Any]:
        """Return an awaitable call of the function. The caller awaits it at once.

        The caller passes a result whose type is in ``UNFINISHED`` to :meth:`finish`, and an exception
        that is no ``Exception`` to :func:`crash_of`.
        """
        if self.is_async:
            running: Awaitable[Any] = self.function(*args)
            return running
        return self._in_thread(workers, args)

    # The steps of these four.

    async def finish(self, value: Any) -> Any:
        """Return the final result: an awaitable is awaited, until a value remains.

        Raises:
            CallbackError: The value is a generator.
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
                f"{self.subject}: {self.name} returned a generator, whose body never runs:"
                " return the result, without `yield`"
            )
        return value

    async def _in_thread(self, workers: Workers, args: tuple[Any, ...]) -> Any:
        value = await workers.in_thread(self, *args)
        return value if value is None else await self.finish(value)

    def work(self, /, *args: Any) -> Any:
        """Call the function; a worker thread runs this.

        Raises:
            CallbackError: The function raised something other than an Exception, or a StopIteration, which
                no future can carry.
            Exception: The function raised it.
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
    """Call a user's function where nothing can be awaited; see :meth:`Callback.call_now`.

    Args:
        name: The function's name in errors.
        function: The user's function.
        args: The function's arguments.

    Raises:
        CallbackError: The function raised something other than an Exception, or its result must be awaited.
        Exception: The function raised it.
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
        f"{name} returned an awaitable, which can't be awaited here: write a plain function"
        " that returns its result"
    )


def _is_awaitable(value: object) -> bool:
    """Return whether a value is an awaitable, or a future of a thread.

    This equals ``inspect.isawaitable`` for awaitables, and is several times as fast for the usual values.
    """
    kind = type(value)
    return (
        hasattr(kind, "__await__")
        or issubclass(kind, Future)
        or (kind is GeneratorType and inspect.isawaitable(value))
    )


def crash_of(error: BaseException, name: str) -> Exception:
    """Return an ``Exception`` for what a user's function raised, so that only the caller ends.

    Call it in the ``except`` block. It raises an exception again that came from outside of the function: the
    cancellation of this task, the end of a coroutine that is closed, Ctrl-C.

    Args:
        error: The exception that was raised.
        name: The function's name in the message.
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
    """Return whether a signal handler raised the exception: a handler can run in the middle of any code."""
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
    """Return whether a ``raise`` statement raised the exception; else it was thrown into waiting code."""
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
