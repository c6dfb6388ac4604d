"""Long polling as Phoenix does it: what each request is answered. Protocol document, §4.

Each test runs twice: with the session in the process that gets the requests, and with the session in
another one, reached through PubSub.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import Channel, ConnectInfo, LongPoll, Ok, Refused, on, on_out
from bennu.connect_info import URI
from tests.support.clock import advance, running_loop, settle, work
from tests.support.frames import error, ok
from tests.support.longpoll import NDJSON, Browser

from .polling import Reach, joined, polling

pytestmark = [pytest.mark.conformance("LP020"), pytest.mark.clock("virtual")]

both = pytest.mark.parametrize("reach", ["here", "elsewhere"])


ended: list[tuple[str, Any]] = []
handled: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    ended.clear()
    handled.clear()


class Room(Channel[Any]):
    """What most tests join."""

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return Ok(payload)

    @on("note")
    async def note(self, payload: Any) -> None:
        handled.append(payload)

    @on("tell")
    async def tell(self, payload: Any) -> None:
        await self.push("told", payload)

    @on("shout")
    async def shout(self, payload: Any) -> None:
        await self.broadcast("shout", payload)

    @on("crash")
    async def crash(self) -> None:
        raise RuntimeError("by intent")

    async def terminate(self, reason: Any) -> None:
        ended.append((self.topic, reason))


class Slow(Channel[Any]):
    """A join that takes as long as it is told to."""

    async def join(self, payload: dict[str, float]) -> None:
        await work(payload["seconds"])


class Greeting(Channel[Any]):
    """Says something to all, and something to the client, once it has joined."""

    async def after_join(self) -> None:
        await self.broadcast("entered", {"who": "ann"})
        await self.push("joined", {"status": "connected"})


class Watching(Channel[Any]):
    """Sees what is broadcast before its client does."""

    @on_out("shout")
    async def shout(self, payload: Any) -> None:
        await self.push("heard", {**payload, "transport": self.connection.transport})


CHANNELS: dict[str, type[Channel[Any, Any]]] = {
    "room:*": Room,
    "slow:*": Slow,
    "greeting:*": Greeting,
    "watching:*": Watching,
}


def join(ref: str, topic: str, payload: Any = None) -> list[Any]:
    return [ref, ref, topic, "phx_join", payload or {}]


def reply(join_ref: Any, ref: Any, topic: str, payload: dict[str, Any]) -> list[Any]:
    return [join_ref, ref, topic, "phx_reply", payload]


# Sessions and polls.


@both
@pytest.mark.conformance("LP001", "LP037")
async def test_the_first_poll_begins_a_session(reach: Reach) -> None:
    """HTTP 200, and a body that says 410 with a token; the headers let any page and no cache have it."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        answer = await browser.get()
        assert answer.http_status == 200
        assert answer.body == {"status": 410, "token": answer.token, "messages": []}
        assert answer.headers == {
            "access-control-allow-origin": "*",
            "content-type": "application/json; charset=utf-8",
            "cache-control": "no-store",
            "content-length": str(len(answer.content)),
        }
        assert server.endpoint.connections == 1


@both
@pytest.mark.conformance("LP002", "LP003", "LP005", "LP037")
async def test_a_join_is_posted_and_answered_to_the_next_poll(reach: Reach) -> None:
    """The reply, then what comes after the join, in order; a poll that finds nothing waits, then 204."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        posted = await browser.start_post(token, join("1", "greeting:1")).answer()
        assert posted.body == {"status": 200}
        polled = await browser.get(token)
        assert (polled.status, polled.token) == (200, token)
        assert polled.messages == [
            reply("1", "1", "greeting:1", ok()),
            [None, None, "greeting:1", "entered", {"who": "ann"}],
            ["1", None, "greeting:1", "joined", {"status": "connected"}],
        ]
        assert running_loop().time() == 0
        empty = await browser.get(token)
        assert empty.body == {"status": 204, "token": token, "messages": []}
        assert running_loop().time() == 10
        for answer in (posted, polled, empty):
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["access-control-allow-origin"] == "*"


@both
async def test_the_text_of_a_message_comes_as_it_was_written(reach: Reach) -> None:
    """As a string in the answer, whatever characters it has."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        await browser.post(token, ["1", "2", "room:1", "echo", {"text": 'Grüße "🐦"\n\\'}])
        answer = await browser.get(token)
        expected = '["1","2","room:1","phx_reply",{"status":"ok","response":{"text":"Grüße \\"🐦\\"\\n\\\\"}}]'
        assert answer.body["messages"] == [expected]


@both
async def test_a_poll_that_waits_is_answered_when_something_comes(reach: Reach) -> None:
    """With all that came in the meantime, and at once."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await advance(3)
        assert not waiting.is_answered
        for number in range(3):
            await server.endpoint.broadcast("room:1", "news", {"n": number})
        assert (await waiting.answer()).messages == [
            [None, None, "room:1", "news", {"n": number}] for number in range(3)
        ]
        assert running_loop().time() == 3


@both
async def test_what_comes_between_two_polls_waits(reach: Reach) -> None:
    """The next one gets it, in its order: broadcasts, pushes and replies."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        await server.endpoint.broadcast("room:1", "news", {"n": 1})
        await browser.post(
            token,
            ["1", "2", "room:1", "tell", {"n": 2}],
            ["1", "3", "room:1", "echo", {"n": 3}],
            ["1", "4", "room:1", "shout", {"n": 4}],
        )
        await server.endpoint.broadcast("room:1", "news", {"n": 5})
        assert (await browser.get(token)).messages == [
            [None, None, "room:1", "news", {"n": 1}],
            ["1", None, "room:1", "told", {"n": 2}],
            reply("1", "3", "room:1", ok({"n": 3})),
            [None, None, "room:1", "shout", {"n": 4}],
            [None, None, "room:1", "news", {"n": 5}],
        ]


@both
@pytest.mark.conformance("OB021")
async def test_the_later_of_two_polls_gets_what_comes(reach: Reach) -> None:
    """The earlier one runs into its window."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        earlier = browser.start("GET", token)
        await advance(1)
        later = browser.start("GET", token)
        await settle()
        await server.endpoint.broadcast("room:1", "news", {})
        assert (await later.answer()).messages == [[None, None, "room:1", "news", {}]]
        assert not earlier.is_answered
        assert (await earlier.answer()).status == 204
        assert running_loop().time() == 10


@both
async def test_a_client_that_went_away_loses_nothing(reach: Reach) -> None:
    """A poll that is known to be gone waits no more: what comes waits for the next."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        gone = browser.start("GET", token)
        await settle()
        gone.disconnect()
        await settle()
        assert gone.task.done()
        await server.endpoint.broadcast("room:1", "news", {})
        assert (await browser.get(token)).messages == [[None, None, "room:1", "news", {}]]


@both
async def test_a_client_that_goes_away_in_the_same_moment_loses_nothing(reach: Reach) -> None:
    """Something came, and its poll has gone before it took that."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        gone = browser.start("GET", token)
        await settle()
        await server.endpoint.broadcast("room:1", "news", {})
        gone.disconnect()
        await settle()
        assert (await browser.get(token)).messages == [[None, None, "room:1", "news", {}]]


async def test_a_client_that_is_gone_when_it_is_answered_is_no_error() -> None:
    """What it was answered is lost: delivery is at most once."""
    async with polling("here", CHANNELS) as (server, browser, _):
        token = await joined(browser)
        gone = browser.start("GET", token)
        await settle()
        gone.stop_reading()
        await server.endpoint.broadcast("room:1", "news", {})
        await gone.task
        assert (await browser.get(token)).status == 204


@both
async def test_a_poll_whose_task_is_cancelled_waits_no_more(reach: Reach) -> None:
    """Some servers cancel what serves a client that went away."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        cancelled = browser.start("GET", token)
        await settle()
        cancelled.task.cancel()
        await settle()
        await server.endpoint.broadcast("room:1", "news", {})
        assert (await browser.get(token)).messages == [[None, None, "room:1", "news", {}]]


@both
@pytest.mark.conformance("LP019", "OB021")
async def test_a_session_that_nobody_polls_ends(reach: Reach) -> None:
    """Its channels are told that it was inactive. Posts don't keep it; they say 410 then, as polls do."""
    async with polling(reach, CHANNELS, longpoll=LongPoll(window=2)) as (server, browser, _):
        token = await joined(browser)
        for _ in range(2):
            await advance(2.5)
            assert await browser.post(token, ["1", "2", "room:1", "note", {}]) == {"status": 200}
        assert ended == []
        await advance(1)
        assert ended == [("room:1", "inactive")]
        assert running_loop().time() == 6
        assert server.endpoint.connections == 0
        assert await browser.post(token, ["1", "3", "room:1", "note", {}]) == {"status": 410}
        again = await browser.get(token)
        assert (again.status, again.messages) == (410, [])
        assert again.token != token


@both
async def test_a_session_that_is_polled_lives(reach: Reach) -> None:
    """Longer than it would be given, or than silence is borne on a WebSocket."""
    longpoll = LongPoll(window=2)
    async with polling(reach, CHANNELS, longpoll=longpoll, timeout=5.0) as (_, browser, _):
        token = await joined(browser)
        for _ in range(10):
            assert (await browser.get(token)).status == 204
        assert running_loop().time() == 20
        assert ended == []


# Posts.


@both
@pytest.mark.conformance("LP004")
async def test_v1_messages_have_no_join_ref(reach: Reach) -> None:
    """And their bodies are one message each, of any content type, or of none."""
    async with polling(reach, CHANNELS, vsn="1.0.0") as (_, browser, _):
        token = await browser.begin()
        text = '{"topic":"room:1","event":"phx_join","payload":{},"ref":"1","join_ref":"1"}'
        assert await browser.post(token, text, content_type="application/json") == {"status": 200}
        body = {"topic": "room:1", "event": "phx_reply", "payload": ok(), "ref": "1"}
        assert (await browser.get(token)).messages == [body]


@both
async def test_v1_clients_may_batch(reach: Reach) -> None:
    """A line that begins with a brace is text (in Phoenix it would be base64)."""
    async with polling(reach, CHANNELS, vsn=None) as (_, browser, _):
        token = await browser.begin()
        text = '{"topic":"room:%d","event":"phx_join","payload":{},"ref":"1"}'
        assert await browser.post(token, text % 1, text % 2) == {"status": 200}
        topics = [message["topic"] for message in (await browser.get(token)).messages]
        assert topics == ["room:1", "room:2"]


@both
@pytest.mark.conformance("LP031")
@pytest.mark.parametrize("content_type", [None, "", "application/json", "text/plain"])
async def test_a_post_of_any_type_is_one_message(reach: Reach, content_type: str | None) -> None:
    """Also without a content type."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        posted = await browser.post(token, join("1", "room:1"), content_type=content_type)
        assert posted == {"status": 200}
        assert (await browser.get(token)).messages == [reply("1", "1", "room:1", ok())]


@both
@pytest.mark.conformance("OB020")
async def test_the_type_of_a_batch_may_have_parameters(reach: Reach) -> None:
    """And a trailing line feed is no message: Phoenix ends the session for either."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        posted = await browser.post(
            token,
            join("1", "room:1"),
            join("2", "room:2"),
            "",
            content_type=f"{NDJSON}; charset=utf-8",
        )
        assert posted == {"status": 200}
        assert [message[1] for message in (await browser.get(token)).messages] == ["1", "2"]


@both
@pytest.mark.conformance("LP006")
async def test_a_session_joins_as_many_channels_as_a_websocket(reach: Reach) -> None:
    """A hundred; the next is refused."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await browser.begin()
        joins = [join(str(number), f"room:{number}") for number in range(101)]
        assert await browser.post(token, *joins[:100]) == {"status": 200}
        assert [one[4]["status"] for one in (await browser.get(token)).messages] == ["ok"] * 100
        assert await browser.post(token, joins[100]) == {"status": 200}
        server.logged("Socket(max_channels=...)", level=logging.WARNING)
        refused = reply("100", "100", "room:100", error("too many channels joined"))
        assert (await browser.get(token)).messages == [refused]


@both
@pytest.mark.conformance("LP011")
async def test_what_a_post_broadcasts_is_heard(reach: Reach) -> None:
    """By all who joined, over whatever transport."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        other = await server.connect()
        await other.join("room:1")
        posted = await browser.post(token, ["1", "2", "room:1", "shout", {"n": 1}])
        assert posted == {"status": 200}
        await other.expect((None, None, "room:1", "shout", {"n": 1}))
        heard = [None, None, "room:1", "shout", {"n": 1}]
        assert (await browser.get(token)).messages == [heard]


@both
@pytest.mark.conformance("LP012")
async def test_an_intercepted_broadcast_is_pushed(reach: Reach) -> None:
    """By the channel, which knows its transport; in V1 a push has neither ref."""
    async with polling(reach, CHANNELS, vsn="1.0.0") as (server, browser, _):
        token = await browser.begin()
        text = '{"topic":"watching:1","event":"phx_join","payload":{},"ref":"1"}'
        await browser.post(token, text, content_type="application/json")
        await browser.get(token)
        await server.endpoint.broadcast("watching:1", "shout", {"n": 1})
        payload = {"n": 1, "transport": "longpoll"}
        body = {"topic": "watching:1", "event": "heard", "payload": payload, "ref": None}
        assert (await browser.get(token)).messages == [body]


@both
@pytest.mark.conformance("LP013")
async def test_an_event_for_a_topic_that_is_not_joined(reach: Reach) -> None:
    """It is posted well, heard by nobody, and answered with an error."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await browser.begin()
        other = await server.connect()
        await other.join("room:1")
        posted = await browser.post(token, ["9", "2", "room:1", "shout", {}])
        assert posted == {"status": 200}
        await other.expect_nothing()
        unmatched = reply(None, "2", "room:1", error("unmatched topic"))
        assert (await browser.get(token)).messages == [unmatched]


@both
@pytest.mark.conformance("LP014", "LP015", "LP016", "LP017", "LP018")
async def test_a_batch_is_handled_in_order(reach: Reach) -> None:
    """Text and base64 lines. One without a join_ref counts, one with a stale one is passed over."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        posted = await browser.post(
            token,
            ["1", "2", "room:1", "tell", {"n": 1}],
            [None, "3", "room:1", "tell", {"n": 2}],
            ["stale", "3", "room:1", "tell", {"n": 3}],
            bytes([0, 1, 1, 6, 4]) + b"14room:1note" + b"\x00\xff",
            ["1", "5", "room:1", "tell", {"n": 5}],
        )
        assert posted == {"status": 200}
        told = [["1", None, "room:1", "told", {"n": number}] for number in (1, 2, 5)]
        assert (await browser.get(token)).messages == told
        assert handled == [b"\x00\xff"]


@both
@pytest.mark.conformance("LP022")
async def test_of_a_batch_the_first_hundred_messages_count(reach: Reach) -> None:
    """The rest is passed over; stock clients send no more."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        notes = [["1", None, "room:1", "note", number] for number in range(101)]
        assert await browser.post(token, *notes) == {"status": 200}
        await settle()
        assert handled == list(range(100))


@both
@pytest.mark.conformance("LP021")
async def test_a_message_that_is_not_handled_within_the_window(reach: Reach) -> None:
    """The post says 408; the messages behind it in the batch are not handled. The session lives."""
    longpoll = LongPoll(window=2)
    async with polling(reach, CHANNELS, longpoll=longpoll) as (_, browser, _):
        token = await joined(browser)
        posted = await browser.post(
            token,
            ["1", None, "room:1", "note", 1],
            join("2", "slow:1", {"seconds": 2.5}),
            ["1", None, "room:1", "note", 2],
        )
        assert posted == {"status": 408}
        assert running_loop().time() == 2
        assert (await browser.get(token)).messages == [reply("2", "2", "slow:1", ok())]
        assert await browser.post(token, ["1", None, "room:1", "note", 3]) == {"status": 200}
        await settle()
        assert handled == [1, 3]


@both
async def test_a_post_behind_a_slow_join_waits_for_it(reach: Reach) -> None:
    """A join holds the line: in the order in which they came, each has a window of its own."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        first = browser.start_post(
            token,
            join("2", "slow:2", {"seconds": 6}),
            join("3", "slow:3", {"seconds": 6}),
        )
        await advance(1)
        second = browser.start_post(token, ["1", None, "room:1", "note", 1])
        await advance(4)
        assert not second.is_answered
        assert handled == []
        assert (await second.answer()).body == {"status": 200}
        assert running_loop().time() == 6
        assert (await first.answer()).body == {"status": 200}
        assert running_loop().time() == 12
        assert handled == [1]


# Ends.


@both
@pytest.mark.conformance("LP026")
async def test_a_crash_is_told_to_a_later_poll(reach: Reach) -> None:
    """As phx_error with the join_ref in both places; the session goes on."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        assert await browser.post(token, ["1", "2", "room:1", "crash", {}]) == {"status": 200}
        crashed = ["1", "1", "room:1", "phx_error", {"reason": "channel_crash"}]
        assert (await browser.get(token)).messages == [crashed]
        server.logged("crashed in crash")
        assert await browser.post(token, join("3", "room:1")) == {"status": 200}


@both
@pytest.mark.conformance("LP027", "LP028")
async def test_leaves(reach: Reach) -> None:
    """A stale one is passed over; one without a join_ref is taken."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        posted = await browser.post(token, ["stale", "2", "room:1", "phx_leave", {}])
        assert posted == {"status": 200}
        assert (await browser.get(token)).status == 204
        assert ended == []
        await browser.post(token, [None, "3", "room:1", "phx_leave", {}])
        assert (await browser.get(token)).messages == [
            reply("1", "3", "room:1", ok()),
            ["1", "1", "room:1", "phx_close", {}],
        ]
        assert ended == [("room:1", "left")]


@both
@pytest.mark.conformance("LP029")
async def test_a_disconnect_ends_the_session(reach: Reach) -> None:
    """And all its channels. A poll that waits learns it at once, a post and the next poll too.

    The poll that waits is answered 500, which makes every stock client connect again. Those of 1.7 would
    take a 410 for a new session, and not rejoin.
    """
    async with polling(reach, CHANNELS, params={"name": "ann"}) as (server, browser, _):
        token = await joined(browser)
        await browser.post(token, join("2", "room:2"))
        await browser.get(token)
        waiting = browser.start("GET", token)
        await settle()
        await server.endpoint.disconnect("ann")
        assert (await waiting.answer()).body == {"status": 500}
        assert ended == [("room:1", "disconnected"), ("room:2", "disconnected")]
        assert server.endpoint.connections == 0
        assert await browser.post(token, ["1", "3", "room:1", "echo", {}]) == {"status": 410}
        again = await browser.get(token)
        assert again.status == 410
        assert again.token != token
        assert running_loop().time() == 0


@both
async def test_what_was_written_before_the_end_reaches_a_poll_that_waits(reach: Reach) -> None:
    """So a channel may say why it ends the connection."""
    async with polling(reach, CHANNELS, params={"name": "ann"}) as (server, browser, _):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await settle()
        await server.endpoint.broadcast("room:1", "kicked", {"why": "rude"})
        await server.endpoint.disconnect("ann")
        assert (await waiting.answer()).messages == [
            [None, None, "room:1", "kicked", {"why": "rude"}]
        ]
        assert (await browser.get(token)).status == 410


@both
async def test_the_stop_of_the_endpoint_ends_all_sessions(reach: Reach) -> None:
    """Their polls are answered, so that no server waits for them."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await settle()
        await server.endpoint.stop()
        assert (await waiting.answer()).status == 500
        assert running_loop().time() == 0
        assert ended == [("room:1", "shutdown")]


@both
@pytest.mark.parametrize("line", ["[", "[]", '["1"]', "{}", b"", b"\x07", b"\x00\xff"], ids=repr)
async def test_an_undecodable_message_ends_the_session(reach: Reach, line: str | bytes) -> None:
    """Its post says so at once (in Phoenix it says 408 after a window), and so does what follows."""
    content_type = NDJSON if line and isinstance(line, bytes) else "application/json"
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        posted = await browser.post(token, line, content_type=content_type)
        assert posted == {"status": 410}
        server.logged("undecodable frame", level=logging.WARNING)
        assert isinstance(ended[0][1], Exception)
        assert await browser.post(token, ["1", "3", "room:1", "echo", {}]) == {"status": 410}
        assert (await browser.get(token)).status == 410
        assert running_loop().time() == 0


# Who may connect.


@both
@pytest.mark.conformance("LP023")
@pytest.mark.parametrize("why", ["", "bad token"])
async def test_a_refused_connect(reach: Reach, why: str) -> None:
    """The body says 403, and nothing else."""

    async def connect() -> None:
        raise Refused(why)

    async with polling(reach, CHANNELS, connect=connect, id=None) as (server, browser, _):
        assert (await browser.get()).body == {"status": 403}
        assert server.endpoint.connections == 0


@both
@pytest.mark.conformance("LP024")
async def test_pages_of_other_origins(reach: Reach) -> None:
    """One that may not connect gets 403, for whatever it asks; one that may gets its session."""
    async with polling(reach, CHANNELS, check_origin=["https://ours.com"]) as (server, browser, _):
        token = await joined(browser)
        theirs, ours = {"origin": "https://theirs.com"}, {"origin": "https://ours.com"}
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            answer = await browser.ask(method, token, headers=theirs)
            assert answer.body == {"status": 403}
            server.logged("https://theirs.com")
        assert (await browser.get(headers=theirs)).body == {"status": 403}
        server.logged("https://theirs.com")
        assert (await browser.get(headers=ours)).status == 410
        assert (await browser.get(token, headers=ours)).status == 204


@both
@pytest.mark.conformance("LP030")
@pytest.mark.parametrize("vsn", ["123.1.1", "nonsense"])
async def test_a_vsn_that_nobody_speaks(reach: Reach, vsn: str) -> None:
    """403, and a line in the log."""
    async with polling(reach, CHANNELS, vsn=vsn) as (server, browser, _):
        assert (await browser.get()).body == {"status": 403}
        server.logged(vsn, level=logging.WARNING)


@pytest.mark.conformance("LP025")
async def test_secrets_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Neither those of the connect nor those of a join."""
    caplog.set_level(logging.DEBUG, "bennu")
    async with polling("here", CHANNELS, params={"password": "one"}) as (_, browser, _):
        token = await browser.begin()
        await browser.post(token, join("1", "room:1", {"token": "two", "name": "ann"}))
        assert "CONNECTED TO /socket" in caplog.text
        assert " (longpoll, V2 JSON) Parameters: " in caplog.text
        assert "JOINED room:1" in caplog.text
        assert "{'token': '[FILTERED]', 'name': 'ann'}" in caplog.text
        assert "'password': '[FILTERED]'" in caplog.text
        assert "'one'" not in caplog.text
        assert "'two'" not in caplog.text


@pytest.mark.conformance("LP007", "LP008", "LP009", "LP010")
async def test_connect_knows_the_request_that_began_the_session() -> None:
    """Its headers, address and URI, and the transport."""
    infos: list[ConnectInfo] = []

    async def connect(params: dict[str, Any], info: ConnectInfo) -> str:
        infos.append(info)
        return str(params["name"])

    async with polling("here", CHANNELS, connect=connect, params={"name": "ann"}) as (
        _,
        browser,
        _,
    ):
        headers = {
            "x-application": "Phoenix",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "congo=t61rcWkgMzE",
            "host": "example.com:8080",
        }
        token = await browser.begin(headers=headers)
        await browser.get(token, headers={"x-application": "another"})
        (info,) = infos
        assert info.transport == "longpoll"
        assert info.peer == ("127.0.0.1", 50000)
        for name, value in headers.items():
            assert info.headers[name] == value
        query = "name=ann&vsn=2.0.0&"
        assert info.uri == URI("http", "example.com", 8080, "/socket/longpoll", query)


@both
@pytest.mark.conformance("LP034")
async def test_variables_of_the_path_are_parameters(reach: Reach) -> None:
    """Of the mount, and of the path below it; they win over the query's."""
    seen: list[Any] = []

    async def connect(params: dict[str, str]) -> None:
        seen.append(params)

    longpoll = LongPoll(path="poll/{project}")
    options: dict[str, Any] = {"connect": connect, "id": None, "longpoll": longpoll}
    async with polling(reach, CHANNELS, **options) as (server, _, elsewhere):
        then = server.endpoint if reach == "here" else elsewhere
        browser = Browser(
            server.endpoint,
            elsewhere=then,
            path="/socket/poll/7",
            params={"project": "8", "a": "b"},
        )
        await joined(browser)
        assert seen == [{"project": "7", "a": "b", "vsn": "2.0.0"}]


# Tokens.


@both
@pytest.mark.conformance("LP035", "LP036")
async def test_a_token_may_come_in_a_header(reach: Reach) -> None:
    """For polls and posts; and it wins over one in the query, which may be stale."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        in_header = {"x-phoenix-longpoll-token": token}
        stale = "stale"
        for other in (None, stale):
            ref = str(other)
            assert await browser.post(other, join(ref, f"room:{ref}"), headers=in_header) == {
                "status": 200
            }
            polled = await browser.get(other, headers=in_header)
            assert (polled.status, polled.token) == (200, token)
            assert polled.messages == [reply(ref, ref, f"room:{ref}", ok())]
        header_is_stale = {"x-phoenix-longpoll-token": stale}
        answer = await browser.get(token, headers=header_is_stale)
        assert answer.status == 410
        assert answer.token != token
