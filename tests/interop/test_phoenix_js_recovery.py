"""phoenix.js, the official client, in 1.8 and 1.7, after failures."""

from __future__ import annotations

import pytest

from tests.interop.program import RunScript, Server
from tests.interop.scenario import Scenario, ok
from tests.support.frames import PHX_JOIN, PHX_LEAVE, Frame, closed, crashed

pytestmark = pytest.mark.interop


@pytest.mark.conformance("JS045", "JS046")
def test_stays_away_from_a_channel_that_closed(scenario: Scenario) -> None:
    """A channel that stops normally is closed and removed. A channel that fails is rejoined."""
    seen = scenario("stop")
    assert seen["reply"] == ok({"stopping": "normal"})
    end = seen["closed"]
    assert Frame(*end["frame"]) == closed(end["join_ref"], "room:stop")
    assert (end["state"], end["channels"]) == ("closed", ["room:other"])
    assert seen["no rejoin"] == {"tries": [], "joins": 2}
    crash = {"reason": "channel_crash"}
    assert seen["failed"] == {**ok({"stopping": "a failure"}), "error": crash}
    assert seen["rejoined"] == {"state": "joined", "tries": [1]}


@pytest.mark.conformance("JS044", "JS045")
def test_rejoins_a_channel_that_crashed(scenario: Scenario) -> None:
    """The client waits a second, then joins once with new parameters. Other channels do not change."""
    seen = scenario("crash")
    error = seen["error"]
    crash = crashed(error["join_ref"], "room:crash")
    assert Frame(*error["frame"]) == crash
    assert (error["payload"], error["state"]) == (crash.payload, "errored")
    assert seen["back-off"] == [1000, 2000, 5000, 10000]
    assert seen["neighbour"] == ok({"alive": True})
    assert seen["rejoined"] == {"payload": {"join": 2}, "new_ref": True}
    assert seen["waited"] == ok({"waited": True})
    assert seen["joins"] == 3  # two of this client, and one of the other client
    assert seen["hears"] == {"text": "welcome back"}
    # A client that has left does not rejoin.
    assert seen["left"] == {**ok(), "state": "closed"}
    assert seen["left frames"] == {"joins": 3, "timer": 0}


@pytest.mark.conformance("JS006", "JS022", "JS024", "JS027", "JS034")
def test_reconnects_when_the_server_disconnects_it(scenario: Scenario) -> None:
    """The connection is closed with 1001. The client reconnects each time, and rejoins."""
    seen = scenario("reconnect")
    user = seen["joined"]["user"]
    assert seen["joined"] == {"user": user, "payload": {"join": 1}}
    closed = {"source": "transport", "reason": "connection_closed"}
    for number, time in enumerate(["first", "second"], start=2):
        expected = {
            "error": closed,
            "state": "errored",
            "joined": {"user": user, "payload": {"join": number}},
            "late": ok({"time": time}),
            "left": "closed",
            "tries": 0,
        }
        if scenario.is_1_7:
            del expected["error"]  # the client has no event for it
        assert seen[f"{time} time"] == expected
    assert seen["attempts"] == ["1", "2", "3"]
    assert [close["code"] for close in seen["closes"]] == [1001, 1001]
    assert seen["tries"] == [1, 1]


@pytest.mark.conformance("JS027")
def test_tries_a_join_again_that_was_under_way(scenario: Scenario) -> None:
    """The connection is lost during a join. The client joins again on the next connection."""
    seen = scenario("joining")
    closed = {"source": "transport", "reason": "connection_closed"}
    assert (seen["before"], seen["after"]) == ("joining", "errored")
    assert seen["error"] == (None if scenario.is_1_7 else closed)
    assert seen["joined"] == {"patient": True}


@pytest.mark.conformance("JS006", "JS024")
def test_reconnects_when_the_server_is_started_again(
    run_js: RunScript, own_server: Server, package: str
) -> None:
    """Killed (1006) or stopped (1012): the client connects to the next process, and its pushes go there."""
    client = run_js("restart", own_server.url, package)
    client.wait_for("to be killed")
    own_server.kill()
    assert client.wait_for("killed") == {"code": 1006, "state": "errored"}
    own_server.start()
    assert client.wait_for("back after being killed") == ok({"after": "killed"})
    client.wait_for("to be stopped")
    own_server.stop()
    assert client.wait_for("stopped") == {"code": 1012, "state": "errored"}
    own_server.start()
    assert client.finish()["back after being stopped"] == ok({"after": "stopped"})


@pytest.mark.conformance("JS010", "JS013", "JS025", "JS026")
def test_stays_away_when_it_disconnects_itself(scenario: Scenario) -> None:
    """The close frame has the client's code and reason. The client reconnects only when it is told to connect."""
    seen = scenario("disconnect")
    assert seen["unconnected"] == "closed"
    assert seen["connected twice"] == {"same": True, "opened": 1}
    disconnected = seen["disconnected"]
    assert disconnected["closeCalls"] == [[3001, "going home"]]
    assert disconnected["states"] == ["open", "closed"]
    assert disconnected["conn"] is None
    assert disconnected["tries"] == []
    assert seen["tries"] == [1, 2]
    assert seen["rejoined"] == "joined"


@pytest.mark.conformance("JS002", "JS022")
def test_tries_again_when_its_connect_is_refused(scenario: Scenario) -> None:
    """Its joins and pushes are sent after a connect is accepted."""
    seen = scenario("refused")
    assert seen["errors"] == [{"transport": True, "established": 0}] * 2
    if not scenario.is_1_7:
        assert seen["channel error"] == {"source": "transport", "reason": "connection_error"}
    assert seen["joined"] == {"user": "better", "payload": {}}
    assert seen["echo"] == ok({"patience": True})
    assert seen["connects"] == {"connects": 3, "tries": [1, 2], "reset": 0}


@pytest.mark.conformance("JS036", "JS038", "JS039", "JS042", "JS049")
def test_gives_up_a_slow_join_and_tries_again(scenario: Scenario) -> None:
    """Each round is a leave and a join. A late reply is ignored, and at last the join succeeds."""
    seen = scenario("timeout")
    assert seen["first"] == {
        "state": "errored",
        "events": [PHX_JOIN, PHX_LEAVE],
        "tries": 1,
        "timeout": 60,
    }
    refs, events = zip(*seen["rounds"], strict=True)
    assert events == (PHX_JOIN, PHX_LEAVE) * 3
    assert refs[::2] == refs[1::2]
    assert refs[0] < refs[2] < refs[4]
    assert seen["late"] == {"replies": True, "hooks": 1}
    assert seen["joined"] == {"state": "joined", "tries": 0}
    assert seen["impatient"] == {"status": "timeout", "response": {}}
    assert seen["patient"] == ok({"of": "the patient"})
    assert seen["echoes"] == ["the patient"]
    assert seen["afterwards"] == ["silent"]


@pytest.mark.conformance("JS020", "JS021")
def test_leaves_a_connection_that_answers_no_heartbeat(scenario: Scenario) -> None:
    """A slow join holds up its connection, also heartbeats, as in Phoenix."""
    seen = scenario("heartbeat_timeout")
    expected = {"source": "transport", "reason": "heartbeat_timeout"}
    assert seen["error"] == (None if scenario.is_1_7 else expected)
    assert seen["closed"] == {"beats": True, "code": 1000, "reason": "", "established": True}
    assert seen["works"] == {"room": "joined", **ok()}


@pytest.mark.conformance("JS014")
def test_connects_again_while_it_is_still_disconnecting(run_js: RunScript, server: Server) -> None:
    """It ends with one connection, also on the server. (1.7 loses its callbacks, and keeps the old connection.)"""
    seen = run_js("roster", server.url, "phoenix").finish()
    assert seen["first"] == {"members": 1}
    assert seen["slow"] is True
    assert seen["members"] == 1
    assert seen["end"] == {"callbacks": ["one", "two"], "opened": 2, "state": "open"}
    assert seen["works"] == ok({"again": True})
