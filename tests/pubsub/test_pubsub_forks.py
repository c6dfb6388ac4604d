"""An endpoint on a real bus whose process forks: the child starts as a node of its own."""

from __future__ import annotations

import asyncio
import os
import tempfile
import traceback
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from bennu import Broadcast, Endpoint
from bennu.errors import NotStarted

from ..support.until import until

pytestmark = pytest.mark.clock("real")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a short path, since the path of a Unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="bennu-") as path:
        yield Path(path)


async def in_child(work: Callable[[], Coroutine[Any, Any, object]]) -> str:
    """Run a coroutine in a fork of this process, on an event loop of its own; return its error, or empty text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        text = ""
        try:
            asyncio._set_running_loop(None)
            asyncio.run(work())
        except BaseException as error:  # noqa: BLE001 - all errors go to the parent
            text = "".join(traceback.format_exception(error))
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = await asyncio.to_thread(stream.read)
    await asyncio.to_thread(os.waitpid, child, 0)
    return text


async def test_a_child_of_a_fork_is_a_node_of_its_own(directory: Path) -> None:
    """It must start first. It gets a name of its own, both nodes hear each other, and the parent goes on."""
    endpoint = Endpoint(sockets={}, pubsub=f"ipc://{directory}/bus")
    await endpoint.start()
    parent, heard = endpoint.node, list[Any]()
    subscription = endpoint.pubsub.subscribe("A", heard.append)
    assert endpoint.pubsub.cluster is not None
    await endpoint.pubsub.cluster.heard("A")

    async def child() -> None:
        with pytest.raises(NotStarted, match="fork"):
            await endpoint.broadcast("A", "news", {})
        await endpoint.start()
        assert endpoint.node != parent
        assert endpoint.is_ready
        await until(lambda: endpoint.nodes() == {parent, endpoint.node})
        await endpoint.broadcast("A", "news", {"from": "child"})
        await endpoint.stop()

    assert await in_child(child) == ""
    await until(lambda: heard)
    assert heard == [Broadcast("A", "news", {"from": "child"})]
    assert endpoint.is_ready
    await until(lambda: endpoint.nodes() == {parent})
    subscription.cancel()
    await endpoint.stop()
