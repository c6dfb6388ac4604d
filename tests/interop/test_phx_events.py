"""PyPI `phx-events`: V1, in its own environment.

The client only listens: it can't push, sends no heartbeat, never leaves, and ends with its connection or its
channel. So another client sends the messages here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.interop.program import PATIENCE, RunScript, Server
from tests.support.frames import decode_v2, encode_v2, joining, pushing

pytestmark = pytest.mark.interop

USER = "phx-events"
TOPIC = "room:phx-events"


class Speaker:
    """A client of the topic that can push."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        connection.send(encode_v2(joining("1", TOPIC)))
        assert decode_v2(connection.recv(timeout=PATIENCE)).payload["status"] == "ok"

    def push(self, event: str, payload: dict[str, Any]) -> None:
        self._connection.send(encode_v2(pushing("1", None, TOPIC, event, payload)))


@pytest.fixture
def speaker(server: Server) -> Iterator[Speaker]:
    with connect(f"{server.url}/socket/websocket?vsn=2.0.0&user={USER}") as connection:
        yield Speaker(connection)


def url_of(server: Server) -> str:
    return f"{server.url}/socket/websocket?user={USER}"


def test_hears_broadcasts(run_python: RunScript, server: Server, speaker: Speaker) -> None:
    """The client joins, and its handlers run, on its loop and in a thread."""
    client = run_python("phx-events", url_of(server), TOPIC)
    assert client.wait_for("joined") == ["SUCCESS", {"user": USER, "payload": {}}]
    speaker.push("say", {"text": "one"})
    assert client.wait_for("one") == {"topic": TOPIC, "ref": None}
    client.wait_for("one, in a thread")


def test_is_refused(run_python: RunScript, server: Server) -> None:
    """A refused join is reported as failed, with the reason."""
    client = run_python("phx-events", url_of(server), "room:private")
    assert client.wait_for("joined") == ["FAILED", {"reason": "unauthorized"}]


@pytest.mark.parametrize(
    ("event", "payload", "reason"),
    [
        ("disconnect", {}, "the connection closed"),
        ("to_others", {"text": "crash"}, "Upstream error"),
        ("to_others", {"text": "stop"}, "Upstream closed"),
    ],
)
def test_ends(
    run_python: RunScript,
    server: Server,
    speaker: Speaker,
    event: str,
    payload: dict[str, Any],
    reason: str,
) -> None:
    """The client ends at a close of the connection, at `phx_error` and at `phx_close`."""
    client = run_python("phx-events", url_of(server), TOPIC)
    client.wait_for("joined")
    speaker.push(event, payload)
    assert client.finish()["ended"] == reason
