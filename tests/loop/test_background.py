"""An event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from bennu.errors import NotStarted
from bennu.loop.background import BackgroundLoop


async def name_of_thread() -> str:
    return threading.current_thread().name


def test_calls_run_in_its_thread_until_it_is_closed() -> None:
    loop = BackgroundLoop("worker")
    assert loop.call(name_of_thread) == "worker"
    loop.close()
    loop.close()
    with pytest.raises(NotStarted, match="worker was stopped in another thread"):
        loop.call(name_of_thread)
    assert "worker" not in {thread.name for thread in threading.enumerate()}


def test_an_error_of_a_call_is_raised() -> None:
    async def fail() -> None:
        raise KeyError("mine")

    loop = BackgroundLoop("worker")
    with pytest.raises(KeyError, match="mine"):
        loop.call(fail)
    loop.close()


def test_a_call_that_has_not_ended_is_cancelled_at_the_close() -> None:
    loop = BackgroundLoop("worker")
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor() as threads:
        call = threads.submit(loop.call, wait)
        begun.wait()
        loop.close()
        with pytest.raises(NotStarted, match="during a call"):
            call.result()


def test_an_interrupted_caller_cancels_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = BackgroundLoop("worker")
    ended = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    original = asyncio.run_coroutine_threadsafe

    def run(coroutine: Any, running: asyncio.AbstractEventLoop) -> Any:
        future: Any = original(coroutine, running)
        monkeypatch.undo()
        monkeypatch.setattr(type(future), "result", raise_interrupt)
        return future

    def raise_interrupt(future: object, timeout: float | None = None) -> None:
        monkeypatch.undo()
        loop.call(name_of_thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", run)
    with pytest.raises(KeyboardInterrupt):
        loop.call(wait)
    assert ended.wait(20)
    loop.close()


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(NotStarted, match="interpreter shutdown"):
        BackgroundLoop("worker")


@pytest.mark.parametrize(
    ("module", "function"),
    [("gevent.monkey", "is_module_patched"), ("eventlet.patcher", "is_monkey_patched")],
)
def test_greenlets_are_no_threads(
    monkeypatch: pytest.MonkeyPatch, module: str, function: str
) -> None:
    """With patched threads there is an error that says what else to do; without patches all works."""
    library = ModuleType(module)
    monkeypatch.setitem(sys.modules, module, library)
    setattr(library, function, lambda name: False)
    BackgroundLoop("worker").close()
    setattr(library, function, lambda name: name in ("threading", "thread"))
    with pytest.raises(NotStarted, match=f"{module.partition('.')[0]} has replaced threads"):
        BackgroundLoop("worker")
