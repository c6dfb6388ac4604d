"""The bus of a node alone carries nothing, and says when it is not started."""

from __future__ import annotations

import pytest

from bennu.bus import LocalAdapter
from bennu.errors import NotStarted


async def test_a_node_alone_publishes_to_nobody() -> None:
    heard: list[object] = []
    adapter = LocalAdapter()
    await adapter.start(lambda *message: heard.append(message), heard.append)
    await adapter.subscribe(["t"])
    assert await adapter.publish("t", b"1") == 0
    await adapter.confirm()
    adapter.unsubscribe(["t"])
    assert adapter.nodes() == frozenset()
    await adapter.stop()
    assert heard == []
    with pytest.raises(NotStarted):
        await adapter.publish("t", b"1")


def test_a_node_has_a_name_of_its_own() -> None:
    assert LocalAdapter().node != LocalAdapter().node
    assert LocalAdapter("web-1").node == "web-1"
