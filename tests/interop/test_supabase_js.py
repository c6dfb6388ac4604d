"""@supabase/realtime-js, in both versions of the wire, on topics `realtime:*`.

It is built on a fork of phoenix.js. In V2 it sends its broadcasts as binary frames of a kind that is not Phoenix's,
unless it has another encoder. All tests except the last give it one.
"""

from __future__ import annotations

import pytest

from tests.interop.program import RunScript, Server

pytestmark = pytest.mark.interop

PACKAGE = "@supabase/realtime-js"
SAID = {"type": "broadcast", "event": "said", "payload": {"text": "from ann"}}
REFUSED = "CHANNEL_ERROR: Unauthorized: You do not have permissions to read from this Channel topic"


@pytest.mark.parametrize("vsn", ["2.0.0", "1.0.0"])
def test_subscribes_and_broadcasts(run_js: RunScript, server: Server, vsn: str) -> None:
    """It subscribes or is refused, gets broadcasts, replies and heartbeats, and unsubscribes."""
    seen = run_js("supabase", server.url, PACKAGE, vsn).finish()
    assert seen["refused"] == REFUSED
    assert seen["removed"] == "ok"
    assert seen["allowed"] == "SUBSCRIBED"
    assert seen["subscribed"] == ["SUBSCRIBED", "SUBSCRIBED"]
    assert seen["configs"] == [{"self": True, "ack": True}, {"self": False, "ack": False}]
    assert seen["acknowledged"] == "ok"
    assert seen["message"] == [SAID, SAID]
    assert seen["sent"] == "ok"
    assert (seen["echo"], seen["fail"]) == ("ok", "error")
    assert seen["heard"] == {"ann": ["from ann", "from bob"], "bob": ["from ann"]}
    assert seen["heartbeat"] == ["sent", "ok"]
    assert seen["unsubscribed"] == "ok"
    assert seen["closed"] == {"status": "CLOSED", "channels": ["realtime:secret"]}
    assert seen["closed by the server"] == "CLOSED"


@pytest.mark.parametrize("vsn", ["2.0.0", "1.0.0"])
def test_subscribes_again(run_js: RunScript, server: Server, vsn: str) -> None:
    """It subscribes again after a close of the connection (1001), and after a crash of the channel."""
    seen = run_js("supabase_recovery", server.url, PACKAGE, vsn).finish()
    assert seen["subscribed"] == "SUBSCRIBED"
    for event in ("disconnect", "crash"):
        lost, back = seen[event]
        assert lost.startswith("CHANNEL_ERROR")
        assert back == "SUBSCRIBED"
        assert seen[f"after {event}"] == {"after": event}
    assert seen["codes"] == [1001]


def test_its_private_frames_close_the_connection(run_js: RunScript, server: Server) -> None:
    """The server closes with 1011 at a frame of kind 3, as Phoenix does. The client subscribes again."""
    seen = run_js("supabase_kind_3", server.url, PACKAGE, "2.0.0").finish()
    assert seen["subscribed"] == "SUBSCRIBED"
    assert seen["kind"] == "03"
    assert seen["codes"] == [1011]
    lost, back = seen["recovered"]
    assert lost.startswith("CHANNEL_ERROR")
    assert back == "SUBSCRIBED"
