"""PyPI `realtime`, Supabase's Python client: V1, topics `realtime:*`, in its own environment."""

from __future__ import annotations

import json

import pytest

from tests.interop.program import RunScript, Server

pytestmark = pytest.mark.interop

REASON = "Unauthorized: You do not have permissions to read from this Channel topic"


def test_subscribes_and_broadcasts(run_python: RunScript, server: Server) -> None:
    """It subscribes or is refused, gets broadcasts, replies and heartbeats, and unsubscribes."""
    seen = run_python("realtime", "basics", server.url).finish()
    assert "heartbeat" in seen
    status, _, payload = seen["refused"].partition(": ")
    assert (status, json.loads(payload)) == ("CHANNEL_ERROR", {"reason": REASON})
    assert seen["allowed"] == "SUBSCRIBED"
    assert seen["subscribed"] == ["SUBSCRIBED", "SUBSCRIBED"]
    assert seen["from ann"] == [{"event": "said", "payload": {"text": "from ann"}}] * 2
    assert seen["from bob"] == {"event": "said", "payload": {"text": "from bob"}}
    assert seen["bob's own"] == 0  # bob did not ask for his own broadcasts
    assert seen["echo"] == ["ok", {}]  # the client shows nothing of an ok response
    assert seen["fail"] == ["error", {"reason": "failed"}]
    assert seen["unsubscribed"] == "CLOSED"
    assert seen["closed by the server"] == "CLOSED"


def test_subscribes_again(run_python: RunScript, server: Server) -> None:
    """It subscribes again after a close of the connection (1001), and after a crash of the channel."""
    seen = run_python("realtime", "recovery", server.url).finish()
    assert seen["subscribed"] == "SUBSCRIBED"
    for event in ("disconnect", "crash"):
        lost, back = seen[event]
        assert lost.startswith("CHANNEL_ERROR")
        assert back == "SUBSCRIBED"
        assert seen[f"after {event}"] == {"event": "said", "payload": {"after": event}}
