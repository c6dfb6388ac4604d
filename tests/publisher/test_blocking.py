"""A publisher without an event loop: in threads, in children of fork, at the interpreter's exit, on an event loop."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from bennu import (
    BlockingPublisher,
    DefinitionError,
    NotConfirmed,
    NotStarted,
    ReservedEvent,
    WrongThread,
)
from bennu.bus import IPCAdapter, MemoryNetwork
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.broker.settings import BrokerSettings
from bennu.pubsub.envelope import IDS, TOPICS, Envelope, unpack
from tests.support.frames import PHX_CLOSE

from ..bus.broker.memory_broker import MemoryBroker
from ..bus.ipc.paths import short_directory
from ..support.until import until

pytestmark = pytest.mark.clock("real")


class Price(Struct, frozen=True):
    """A message of the application."""

    cents: int


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


Heard = list[tuple[str, str, Envelope]]


@asynccontextmanager
async def hearing(directory: Path) -> AsyncIterator[Heard]:
    """Run a node that hears the topic ``room:1`` and disconnects."""
    heard: Heard = []
    adapter = IPCAdapter(directory, "web")

    def receive(node: str, topic: str, data: bytes) -> None:
        heard.append((node, topic, unpack(data)))

    await adapter.start(receive, lambda loss: None)
    await adapter.subscribe([TOPICS + "room:1", IDS])
    try:
        yield heard
    finally:
        await adapter.stop()


def texts(heard: Heard) -> list[str]:
    return [envelope.content.decode() for _, _, envelope in heard]


async def test_each_call_returns_when_the_bus_has_taken_the_message(directory: Path) -> None:
    def publish() -> list[Any]:
        with BlockingPublisher(f"ipc://{directory}", messages=[Price]) as publisher:
            assert publisher.is_started
            return [
                publisher.broadcast("room:1", "news", {"a": 1}),
                publisher.broadcast("room:2", "news"),
                publisher.send("room:1", Price(7)),
                publisher.disconnect("users:7"),
                publisher.broadcast("room:1", "news", {"a": 2}, confirm=False),
                publisher.nodes(),
            ]

    async with hearing(directory) as heard:
        assert await asyncio.to_thread(publish) == [1, 0, 1, 1, 1, {"web"}]
        assert [node[:10] for node, _, _ in heard] == ["publisher@"] * 4
        assert texts(heard) == ['{"a":1}', '{"cents":7}', "", '{"a":2}']


async def test_threads_share_one_publisher(directory: Path) -> None:
    """Each thread's messages arrive in its order."""
    publisher = BlockingPublisher(f"ipc://{directory}")
    before = set(threading.enumerate())

    def publish(thread: int) -> None:
        for number in range(50):
            publisher.broadcast("room:1", str(thread), {"n": number}, confirm=number % 7 == 0)

    def publish_all() -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(publish, range(8)))
        publisher.stop()

    async with hearing(directory) as heard:
        await asyncio.to_thread(publish_all)
        for thread in range(8):
            own = [one.content for _, _, one in heard if one.name == str(thread)]
            assert own == [b'{"n":%d}' % number for number in range(50)]
    left = {thread.name for thread in threading.enumerate() if thread not in before}
    assert "bennu-publisher" not in left


async def test_on_an_event_loop_the_error_names_the_async_publisher(directory: Path) -> None:
    publisher = BlockingPublisher(f"ipc://{directory}")
    for method, args in (
        (publisher.broadcast, ("room:1", "news")),
        (publisher.start, ()),
        (publisher.stop, ()),
        (publisher.confirm, ()),
    ):
        with pytest.raises(WrongThread, match="async with Publisher"):
            method(*args)
    assert not publisher.is_started


def test_an_error_of_a_message_leaves_the_publisher_as_it_is(directory: Path) -> None:
    with BlockingPublisher(f"ipc://{directory}") as publisher:
        with pytest.raises(ReservedEvent):
            publisher.broadcast("room:1", PHX_CLOSE)
        assert publisher.broadcast("room:1", "news") == 0
        assert publisher.address == f"ipc://{directory}"
    publisher.stop()


def test_a_failed_start_can_be_tried_again(tmp_path: Path) -> None:
    missing = tmp_path / "x" / "y"
    publisher = BlockingPublisher(f"ipc://{missing}")
    for _ in range(2):
        with pytest.raises(DefinitionError):
            publisher.broadcast("room:1", "news")
    assert not publisher.is_started


def hanging() -> tuple[MemoryBroker, BlockingPublisher]:
    broker = MemoryBroker()
    settings = BrokerSettings(connect=1.0, deaf=0.5, beat=0.1)
    adapter = BrokerAdapter(broker.driver(), "publisher@cron", settings=settings)
    return broker, BlockingPublisher(adapter, timeout=0.05)


def test_an_unconfirmed_message_does_not_hide_the_error_of_the_block(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker, publisher = hanging()

    def work() -> None:
        with publisher:
            publisher.broadcast("room:1", "news", confirm=False)
            broker.is_hung = True
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert "has not confirmed within 0.05 s" in caplog.text
    assert not publisher.is_started


def test_an_unconfirmed_message_is_an_error_at_the_end_of_the_block(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker, publisher = hanging()

    def work() -> None:
        with publisher:
            publisher.broadcast("room:1", "news", confirm=False)
            broker.is_hung = True

    with pytest.raises(NotConfirmed):
        work()
    assert not publisher.is_started


# Forks


def in_child(function: Any) -> str:
    """Run a function in a child of fork, and return what it returns."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = str(function())
        except BaseException as error:  # noqa: BLE001 - the parent shows it
            answer = f"{type(error).__name__}: {error}"
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
async def test_a_child_connects_anew_and_the_parent_goes_on(directory: Path) -> None:
    """A publisher that the parent has used works in its children, and children of children."""
    publisher = BlockingPublisher(f"ipc://{directory}")

    def in_grandchild() -> str:
        publisher.broadcast("room:1", "child")
        inner = in_child(lambda: publisher.broadcast("room:1", "grandchild"))
        publisher.stop()
        return inner

    def work() -> list[str]:
        publisher.broadcast("room:1", "parent")
        said = [in_child(in_grandchild) for _ in range(3)]
        publisher.broadcast("room:1", "parent again")
        publisher.stop()
        return said

    async with hearing(directory) as heard:
        assert await asyncio.to_thread(work) == ["1"] * 3
        names = [envelope.name for _, _, envelope in heard]
        assert sorted(names) == sorted(
            ["parent", "parent again", *["child"] * 3, *["grandchild"] * 3]
        )
        assert len({node for node, _, _ in heard}) == 7


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_during_a_start_leaves_no_locked_lock() -> None:
    """Another thread of the parent holds the lock of the publisher at the fork: the child does not wait for it."""
    broker, publisher = hanging()
    broker.is_hung = True
    begun = threading.Event()
    connect = broker.answer

    async def answer() -> None:
        begun.set()
        await connect()

    broker.answer = answer  # type: ignore[method-assign]
    thread = threading.Thread(target=publisher.start)
    thread.start()
    begun.wait()
    said = in_child(lambda: publisher.broadcast("room:1", "news"))
    assert said.startswith("NotStarted")
    broker.stop()
    thread.join()
    publisher.stop()


def test_an_adapter_object_belongs_to_the_parent() -> None:
    publisher = BlockingPublisher(MemoryNetwork().adapter("publisher@cron"))
    said = in_child(lambda: publisher.broadcast("room:1", "news"))
    assert said.startswith("NotStarted")
    assert "make the adapter and the publisher after the fork" in said


# The interpreter's exit

EXITS = {
    "in the end": "publisher.broadcast('room:1', 'news', {'n': 2}, confirm=False)",
    "by sys.exit": "publisher.broadcast('room:1', 'news', {'n': 2}, confirm=False); sys.exit(0)",
    "in an exit handler": "atexit.register(publisher.broadcast, 'room:1', 'news', {'n': 2})",
}


@pytest.mark.parametrize("code", EXITS.values(), ids=EXITS)
async def test_the_exit_of_the_interpreter_sends_what_waits(directory: Path, code: str) -> None:
    program = (
        "import atexit, sys; from bennu import BlockingPublisher;"
        f"publisher = BlockingPublisher('ipc://{directory}');"
        f"publisher.broadcast('room:1', 'news', {{'n': 1}}); {code}"
    )
    async with hearing(directory) as heard:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", program, stderr=subprocess.PIPE
        )
        _, errors = await process.communicate()
        assert (process.returncode, errors.decode()) == (0, "")
        await until(lambda: len(heard) == 2)
        assert texts(heard) == ['{"n":1}', '{"n":2}']


async def test_a_message_that_is_lost_at_the_exit_is_logged(directory: Path) -> None:
    program = (
        "from bennu import BlockingPublisher\n"
        "from bennu.bus.broker.adapter import BrokerAdapter\n"
        "from tests.bus.broker.memory_broker import MemoryBroker\n"
        "broker = MemoryBroker()\n"
        "adapter = BrokerAdapter(broker.driver(), 'publisher@cron')\n"
        "publisher = BlockingPublisher(adapter, timeout=0.05)\n"
        "publisher.broadcast('room:1', 'news', confirm=False)\n"
        "broker.is_hung = True\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    _, errors = await process.communicate()
    assert "ended before the bus had its messages" in errors.decode()
    assert "Traceback" not in errors.decode()


def test_a_stopped_publisher_starts_again(directory: Path) -> None:
    publisher = BlockingPublisher(f"ipc://{directory}")
    assert publisher.broadcast("room:1", "news") == 0
    publisher.stop()
    assert publisher.broadcast("room:1", "news") == 0
    publisher.stop()


def test_no_thread_at_the_exit_is_an_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(NotStarted, match="interpreter shutdown"):
        BlockingPublisher(f"ipc://{directory}").broadcast("room:1", "news")
