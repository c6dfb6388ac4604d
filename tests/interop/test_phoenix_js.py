"""phoenix.js, the official client, in 1.8 and 1.7, without failures.

Each test runs a scenario of tests/interop/js in Node. Other tests check the server's own behaviour. These tests
check that the client works with it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.program import RunScript, Server
from tests.interop.scenario import Scenario, error, ok
from tests.support.frames import (
    PHX_CLOSE,
    PHX_JOIN,
    PHX_LEAVE,
    PHX_REPLY,
    Frame,
    broadcast,
    closed,
    encode_v2,
    heartbeat,
    joining,
    leaving,
    push,
    pushing,
    reply,
)

pytestmark = pytest.mark.interop


@pytest.mark.conformance("JS002", "JS034", "JS035", "JS036", "JS041", "JS043")
def test_joins_and_is_refused(scenario: Scenario) -> None:
    """Parameters of connect and join can be functions. An error reply leaves the channel errored."""
    seen = scenario("join")
    assert seen["joining"] == {"state": "joining", "timeout": 1234}
    user = {"user": "ann-1", "payload": {"asked": "nicely"}}
    assert seen["joined"] == {**ok(user), "state": "joined"}
    assert seen["hooks"] == {"calls": ["before", "after"], "timer": None, "tries": 0, "waiting": 0}
    first = Frame(*seen["first frame"])
    assert first == joining(first.ref, "room:lobby", {"asked": "nicely"})
    assert "tried to join multiple times" in seen["joined twice"]
    errored = {"state": "errored", "kept": 1, "timer": None}
    assert seen["room:private"] == {**error("unauthorized"), **errored}
    assert seen["room:broken"] == {**error("join crashed"), **errored}
    assert seen["nowhere"] == {**error("unmatched topic"), **errored}


@pytest.mark.conformance("JS017", "JS018", "JS031", "JS033", "JS041", "JS047", "JS049")
def test_pushes_and_gets_replies(scenario: Scenario) -> None:
    """A reply has the handler's status. Without a reply, the push times out.

    An unknown event is an error: Phoenix would crash the channel, and in Bennu the channel continues.
    """
    seen = scenario("push")
    assert "before joining" in seen["before joining"]
    assert seen["while joining"] == {"can_push": False, "frames": 0}
    assert seen["buffered"] == {
        **ok({"buffered": True}),
        "can_push": True,
        "events": [PHX_JOIN, "echo"],
    }
    payload: dict[str, Any] = {"text": "Grüße, 世界 🐦", "list": [1, None, {}]}
    assert seen["ok"] == ok(payload)
    sent = Frame(*seen["frame"]["sent"])
    assert sent == pushing(sent.join_ref, sent.ref, "room:push", "echo", payload)
    answer = reply(sent.join_ref, sent.ref, "room:push", ok(payload))
    assert Frame(*seen["frame"]["received"]) == answer
    assert seen["message"] == answer._asdict()
    assert seen["error"] == error("failed")
    refusal = {"reason": "not_today", "retry_after_ms": 50}
    assert seen["refused"] == {"status": "error", "response": refusal}
    assert seen["custom"] == {"status": "teapot", "response": {"short": "stout"}}
    assert seen["unknown"] == error("unknown_event")
    assert seen["silent"] == {"status": "timeout", "response": {}}
    assert seen["leaks"] == 0
    assert seen["refs"]["rising"]
    assert all(type(ref) is str for ref in seen["refs"]["refs"])
    assert seen["codec"] == {"encoded": [PHX_JOIN], "used": True, "by_longpoll": False}
    assert seen["overflow"] == {**ok(), "ref": "0"}


@pytest.mark.conformance("JS030", "JS048")
@pytest.mark.parametrize("transport", ["global", "ws"])
def test_hears_broadcasts(scenario: Scenario, transport: str) -> None:
    """Both clients get a broadcast, only the other one gets a `broadcast_from`, and no other client gets a push.

    This holds with Node's own WebSocket and with that of the package ws.
    """
    seen = scenario("broadcast", transport)
    assert seen["heard"] == {
        "ann": ["ann to all", "bob to all", "bob to others", "ann to herself"],
        "bob": ["ann to all", "bob to all", "ann to others"],
        "elsewhere": [],
    }
    assert seen["arguments"] == {"payload": {"text": "ann to all"}, "ref": None, "own": True}
    to_all = broadcast("room:broadcast", "said", {"text": "ann to all"})
    assert Frame(*seen["broadcast frame"]) == to_all
    pushed = Frame(*seen["push frame"])
    assert pushed.join_ref is not None
    assert pushed == push(pushed.join_ref, "room:broadcast", "said", {"text": "ann to herself"})
    assert seen["handlers"] == {"heard": 4, "calls": ["once", "always", "always"]}


@pytest.mark.conformance("JS030", "JS031", "JS060")
@pytest.mark.parametrize("transport", ["global", "ws"])
def test_exchanges_binary_frames(scenario: Scenario, transport: str) -> None:
    """A binary push, its binary reply, the server's binary push, and a binary broadcast."""
    seen = scenario("binary", transport)
    frame, join_ref = (
        bytes.fromhex(seen["sent"]["frame"]["binary"]),
        seen["sent"]["join_ref"].encode(),
    )
    topic, payload = b"room:binary", bytes([0, 1, 254, 255])
    lengths = frame[1:5]
    assert frame[0] == 0
    assert lengths == bytes([len(join_ref), lengths[1], len(topic), len(b"echo")])
    ref = frame[5 + len(join_ref) :][: lengths[1]]
    assert frame[5:] == join_ref + ref + topic + b"echo" + payload
    assert seen["reply"] == {"status": "ok", "bytes": payload.hex(), "type": "ArrayBuffer"}
    reply = bytes([1, len(join_ref), len(ref), len(topic), 2]) + join_ref + ref + topic + b"ok"
    assert bytes.fromhex(seen["received"]["binary"]) == reply + payload
    assert seen["empty"] == {"bytes": "", "type": "ArrayBuffer"}
    mine = {"ref": None, "joinRef": join_ref.decode(), "type": "ArrayBuffer"}
    assert seen["push"] == {"bytes": "0707", **mine}
    assert seen["push message"] == {"own": True, "ref": None, "event": "drawn"}
    assert [one["bytes"] for one in seen["broadcast"]] == ["010203", "010203"]
    assert seen["broadcast message"] == {"join_ref": None, "ref": None}
    for wrong in ("json wanted", "bytes wanted"):
        assert seen[wrong]["response"]["reason"] == "invalid_payload"


@pytest.mark.conformance("JS059")
def test_counts_the_bytes_of_a_binary_header(run_js: RunScript, server: Server) -> None:
    """Topic and event can be any text of up to 255 bytes. (1.7 counts characters, which fails.)"""
    seen = run_js("binary_utf8", server.url, "phoenix").finish()
    assert seen["event"] == ok({"bytes": 1000})
    assert seen["reply"] == {"status": "ok", "bytes": 1000}
    topic = len("room:größe 🐦".encode())
    assert [bytes.fromhex(start)[3] for start in seen["frames"]] == [topic, topic]
    assert seen["too long"].startswith("unable to convert event to binary")
    assert seen["text"] == ok({"größe": "🐦"})


@pytest.mark.conformance("JS019", "JS032")
def test_sends_heartbeats(scenario: Scenario) -> None:
    """The frame is exactly `[null,"1","phoenix","heartbeat",{}]`, and each heartbeat is answered."""
    seen = scenario("heartbeat")
    assert seen["not connected"] == []
    frames = seen["frames"]
    assert [Frame(*frame) for frame in frames["sent"]] == [heartbeat("1")]
    answer = reply(None, "1", "phoenix", ok())
    assert [Frame(*frame) for frame in frames["received"]] == [answer]
    assert seen["texts"][0] == encode_v2(heartbeat("1"))
    assert seen["closed"] == []
    assert seen["unopened"] is False
    assert seen["pinged"] is True
    assert seen["round trip"] is True


@pytest.mark.conformance("JS016", "JS050")
def test_leaves(scenario: Scenario) -> None:
    """A leave ends only one channel. Its topic can be joined again at once."""
    seen = scenario("leave")
    assert seen["reply"] == {**ok(), "state": "closed", "closes": ["leave"]}
    sent = Frame(*seen["frame"]["sent"])
    join_ref, ref = sent[:2]
    assert join_ref == seen["frame"]["join_ref"] != ref
    assert sent == leaving(join_ref, ref, "room:left")
    answers = [reply(join_ref, ref, "room:left", ok()), closed(join_ref, "room:left")]
    assert [Frame(*frame) for frame in seen["answers"]] == answers
    before, removed = seen["removed"]["before"], seen["removed"]
    assert removed["channels"] == ["room:kept"]
    assert removed["hooks"] == before["hooks"] - before["per_channel"]
    assert removed["kept"] == "joined"
    assert seen["kept works"] == ok({"still": "here"})
    assert seen["again"] == ok({"back": True})


@pytest.mark.conformance("JS017", "JS040", "JS049")
def test_joins_before_it_is_connected(scenario: Scenario) -> None:
    """The join and the push wait for the socket, and are sent in order."""
    seen = scenario("delayed")
    unconnected = seen["unconnected"]
    assert (unconnected["state"], unconnected["buffered"]) == ("joining", 1)
    assert unconnected["url"].endswith("/socket/websocket?vsn=2.0.0")
    assert seen["echo"] == {**ok({"early": True}), "state": "joined", "buffered": 0}
    assert seen["events"] == [PHX_JOIN, "echo"]


@pytest.mark.conformance("JS037")
def test_leaves_the_old_channel_of_a_topic_for_a_new_one(scenario: Scenario) -> None:
    """A connection has one channel for each topic, for any number of joins."""
    seen = scenario("duplicate")
    assert seen["states"] == {"first": "closed", "second": "joined", "channels": 1}
    assert seen["sent"] == [PHX_JOIN, PHX_LEAVE, PHX_JOIN]
    assert seen["works"] == ok({"by": "the second"})
    assert [(one["of"], one["event"]) for one in seen["received"]] == [
        ("first", PHX_REPLY),
        ("first", PHX_REPLY),
        ("first", PHX_CLOSE),
        ("second", PHX_REPLY),
        ("second", PHX_REPLY),
    ]
    assert seen["heard"] == {"said": ["second"], "frames": 2}  # one of each client


@pytest.mark.conformance("WS031", "OB008")
def test_ignores_the_close_of_a_channel_that_it_joined_twice(scenario: Scenario) -> None:
    """A join that replaces another is answered first. The later `phx_close` belongs to the old channel."""
    seen = scenario("duplicate_join")
    assert seen["frames"] == [
        {"of": "new", "own": True, "event": PHX_REPLY},
        {"of": "old", "own": True, "event": PHX_CLOSE},
    ]
    assert seen["joined"] == {"state": "joined", **ok({"still": "here"})}


@pytest.mark.conformance("JS011")
def test_sends_a_token_beside_the_url(run_js: RunScript, server: Server) -> None:
    """The client gets a new token for each connect. After a refused token it tries the next one. (Only 1.8.)"""
    seen = run_js("auth", server.url, "phoenix").finish()
    assert (seen["first"], seen["third"]) == ("1234", "5678")
    prefix = "base64url.bearer.phx."
    offers = [handshake["protocols"] for handshake in seen["handshakes"]]
    assert offers[0] == ["phoenix", prefix + "MTIzNA"]
    assert offers[2] == ["phoenix", prefix + "NTY3OA"]
    answers = [handshake.get("protocol") for handshake in seen["handshakes"]]
    assert answers == ["phoenix", None, "phoenix"]
    assert seen["in the URL"] is False
