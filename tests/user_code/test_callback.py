"""Callback: each kind of user function is called and awaited, or refused."""

from __future__ import annotations

import ast
import asyncio
import functools
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import bennu
from bennu.errors import CallbackError, DefinitionError, Refused
from bennu.user_code.callback import Callback, crash_of
from bennu.user_code.functions import name_of, refuse_async, refuse_bool

SOURCE = Path(bennu.__file__).parent


class Threads:
    """Runs plain functions at once, and counts them."""

    def __init__(self) -> None:
        self.calls = 0

    async def in_thread(self, callback: Callback, /, *args: Any) -> Any:
        self.calls += 1
        return await asyncio.to_thread(callback.work, *args)


async def answer(value: int) -> int:
    """Return twice the value."""
    await asyncio.sleep(0)
    return 2 * value


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that knows nothing of coroutines."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def forgets_to_await(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that returns the coroutine of an async function."""

    @functools.wraps(function)
    async def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


class Answers:
    """Objects with ``__call__``, and methods of all kinds."""

    async def __call__(self, value: int) -> int:
        return await answer(value)

    async def method(self, value: int) -> int:
        return await answer(value)

    @classmethod
    async def of_class(cls, value: int) -> int:
        return await answer(value)

    @staticmethod
    async def static(value: int) -> int:
        return await answer(value)


class PlainAnswers:
    """An object that is called like a plain function, and returns a coroutine."""

    def __call__(self, value: int) -> Awaitable[int]:
        return answer(value)


def of_pool(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that calls the function in a thread, and returns the thread's future."""

    def submit(*args: Any) -> Any:
        future: Future[Any] = Future()
        future.set_result(function(*args))
        return future

    return submit


def of_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that returns an awaitable that is neither a coroutine nor a future."""

    class Later:
        def __init__(self, *args: Any) -> None:
            self.args = args

        def __await__(self) -> Any:
            return function(*self.args).__await__()

    return Later


ASYNC = [
    answer,
    functools.partial(answer),
    Answers(),
    Answers().method,
    Answers.of_class,
    Answers.static,
    staticmethod(answer),
    forgets_to_await(answer),
]
PLAIN = [
    lambda value: answer(value),  # noqa: PLW0108 - the lambda is what is tested
    lambda value: 2 * value,
    decorated(answer),
    functools.partial(decorated(answer)),
    PlainAnswers(),
    of_pool(answer),
    of_loop(answer),
]


@pytest.mark.parametrize("function", ASYNC, ids=range(len(ASYNC)))
async def test_what_is_async_is_awaited_on_the_loop(function: Callable[..., Any]) -> None:
    """An async function is awaited on the event loop, for each kind of wrapper."""
    threads = Threads()
    callback = Callback("test", function)
    assert callback.is_async
    assert await callback.call(threads, 4) == 8
    assert await callback.call_on_loop(4) == 8
    assert threads.calls == 0


@pytest.mark.parametrize("function", PLAIN, ids=range(len(PLAIN)))
async def test_what_is_plain_runs_in_a_thread_and_its_coroutine_on_the_loop(
    function: Callable[..., Any],
) -> None:
    """A plain function runs in a thread. If it returns a coroutine, the coroutine runs on the event loop."""
    threads = Threads()
    callback = Callback("test", function)
    assert not callback.is_async
    assert await callback.call(threads, 4) == 8
    assert threads.calls == 1
    assert await callback.call_on_loop(4) == 8
    assert threads.calls == 1


@pytest.mark.parametrize(
    "function", [one for one in PLAIN if one is not PLAIN[1]][:4], ids=range(4)
)
def test_where_nothing_can_be_awaited_a_coroutine_is_an_error(
    function: Callable[..., Any],
) -> None:
    """The coroutine is closed: a warning that it was never awaited would fail this test."""
    with pytest.raises(CallbackError, match="plain function"):
        Callback("test", function).call_now(4)
    twice: Any = PLAIN[1]
    assert Callback("test", twice).call_now(4) == 8


@pytest.mark.parametrize("function", ASYNC, ids=range(len(ASYNC)))
def test_where_nothing_can_be_awaited_async_is_refused_at_once(
    function: Callable[..., Any],
) -> None:
    """The error says why the function can't be async, and what to write."""
    with pytest.raises(DefinitionError, match="async") as raised:
        refuse_async("Latest(key=...)", function, why="nobody waits", write="def key(): ...")
    assert raised.value.write == "def key(): ..."


def test_where_nothing_can_be_awaited_a_future_is_an_error() -> None:
    """A future of any kind is an error: as a true value it would accept each client."""
    for value in (Future[bool](), of_loop(answer)(4)):
        with pytest.raises(CallbackError, match="plain function"):
            Callback("test", lambda value=value: value).call_now()


async def test_what_a_future_of_a_thread_raises_is_raised() -> None:
    """The exception of a thread's future is raised."""
    future: Future[Any] = Future()
    future.set_exception(Refused("no"))
    with pytest.raises(Refused):
        await Callback("test", lambda: future).call(Threads())


class Unsayable(BaseException):
    """An exception whose text raises SystemExit."""

    def __repr__(self) -> str:
        raise SystemExit

    __str__ = __repr__


async def test_an_exception_that_cannot_be_shown_is_a_crash_all_the_same() -> None:
    """The CallbackError has the name of the exception's class."""

    def function() -> None:
        raise Unsayable

    callback = Callback("test", function)
    for call in (callback.call_on_loop, functools.partial(callback.call, Threads())):
        with pytest.raises(CallbackError, match="raised Unsayable"):
            await call()
    with pytest.raises(CallbackError, match="raised Unsayable"):
        callback.call_now()


def generator(value: int) -> Any:
    """Yield a value."""
    yield value


async def async_generator(value: int) -> Any:
    """Yield a value."""
    yield value


@pytest.mark.parametrize("function", [generator, async_generator])
async def test_a_generator_is_refused(function: Callable[..., Any]) -> None:
    """A generator function is refused at once; another function that returns a generator is refused at the call."""
    called: Any = type("Called", (), {"__call__": function})()
    givens: list[Any] = [function, functools.partial(function), called]
    for given in givens:
        with pytest.raises(DefinitionError, match="is a generator"):
            Callback("Socket(connect=...)", given)
    callback = Callback("test", decorated(function))
    with pytest.raises(CallbackError, match="returned a generator"):
        await callback.call(Threads(), 1)
    with pytest.raises(CallbackError, match="returned a generator"):
        await callback.call_on_loop(1)
    with pytest.raises(CallbackError, match="plain function"):
        callback.call_now(1)


def says_bool() -> bool:
    """Return a bool."""
    return False


async def says_bool_later() -> bool:
    """Return a bool, in an annotation that is text."""
    return False


@pytest.mark.parametrize(
    "function",
    [says_bool, says_bool_later, functools.partial(says_bool), decorated(says_bool)],
    ids=range(4),
)
def test_a_function_that_says_it_returns_a_bool_is_refused(function: Callable[..., Any]) -> None:
    """A function that is annotated to return a bool is refused in places where False would accept a client."""
    with pytest.raises(DefinitionError, match="returns a bool"):
        refuse_bool("Socket(connect=...)", function, write="raise Refused(reason)")
    refuse_bool("Socket(connect=...)", answer, write="raise Refused(reason)")


class Odd(BaseException):
    """An exception that is no Exception."""


ODD: list[type[BaseException]] = [
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    Odd,
]
STOPS: list[type[Exception]] = [StopIteration, StopAsyncIteration]
USUAL: list[type[Exception]] = [RecursionError, MemoryError, ZeroDivisionError]


@pytest.mark.parametrize("kind", [*ODD, *STOPS, *USUAL])
async def test_whatever_a_function_raises_comes_out_as_an_exception(
    kind: type[BaseException],
) -> None:
    """Only an Exception leaves the callback, so it can end only the caller."""

    def fail() -> None:
        raise kind("as the test wanted")

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise kind("as the test wanted")

    for function in (fail, fail_later):
        callback = Callback("test", function)
        for running in (callback.call(Threads()), callback.call_on_loop()):
            with pytest.raises(Exception) as raised:  # noqa: PT011 - any exception
                await running
            assert isinstance(raised.value, kind) or isinstance(raised.value.__cause__, kind)
    with pytest.raises(Exception):  # noqa: B017, PT011 - any exception
        Callback("test", fail).call_now()


async def test_a_group_of_exceptions_is_one() -> None:
    """A group with an exception that is no Exception becomes a CallbackError."""

    async def fail() -> None:
        raise BaseExceptionGroup("both", [SystemExit(1), ValueError()])

    with pytest.raises(CallbackError, match="BaseExceptionGroup"):
        await Callback("test", fail).call_on_loop()


async def test_a_cancellation_from_outside_passes() -> None:
    """A cancellation from outside is not changed to a CallbackError."""

    async def wait() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(Callback("test", wait).call(Threads()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_coroutine_that_is_closed_ends() -> None:
    """asyncio closes coroutines at the end of a program, and Bennu those of killed channels."""

    async def wait() -> None:
        await asyncio.Event().wait()

    running = Callback("test", wait).call(Threads())
    running.send(None)
    running.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_a_signal_raises_passes(number: signal.Signals) -> None:
    """Ctrl-C can be raised in the middle of any code, and ends the program."""

    def interrupt() -> None:
        signal.raise_signal(number)

    def leave(*_: object) -> None:
        raise SystemExit(3)

    before = signal.signal(number, leave)
    try:
        with pytest.raises(SystemExit):
            Callback("test", interrupt).call_now()
        if number is signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
            with pytest.raises(KeyboardInterrupt):
                Callback("test", interrupt).call_now()
    finally:
        signal.signal(number, before)


def test_what_was_never_raised_by_code_is_from_outside() -> None:
    """An exception without a traceback is taken as one from outside."""
    with pytest.raises(GeneratorExit):
        crash_of(GeneratorExit(), "nothing")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (answer, "answer"),
        (functools.partial(answer), "answer"),
        (Answers(), "Answers"),
        (Answers().method, "Answers.method"),
        (Answers, "Answers"),
    ],
    ids=range(5),
)
def test_a_name_holds_no_address(function: Callable[..., Any], name: str) -> None:
    """A name is for logs, so it contains no address."""
    assert name_of(function) == name


def test_only_this_module_calls_a_function_of_the_users() -> None:
    """Only this module calls a user's function. All other modules have callbacks, which can't be called directly."""
    trees = {
        path.name: ast.parse(path.read_text())
        for path in SOURCE.rglob("*.py")
        if path.name != "callback.py"
    }
    offenders = [
        f"{name}:{node.lineno}"
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "function"
    ]
    assert offenders == []
