"""Long polling: requests that are none, tokens that are not good, bounds, and bytes that can't go out."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from bennu import (
    Channel,
    ConnectInfo,
    DefinitionError,
    EncodeError,
    Endpoint,
    Limits,
    LongPoll,
    Rates,
    Refused,
    Socket,
    on,
)
from bennu.reasons import DropReason
from bennu.transports.longpoll.tokens import SessionName, SessionTokens
from tests.support.clock import advance, running_loop, settle, work
from tests.support.frames import error, ok
from tests.support.inside import server_of
from tests.support.longpoll import Browser
from tests.support.memory import HandshakeRefused, Over, endpoint_of, serve

from .polling import SECRET, Reach, joined, polling

pytestmark = pytest.mark.clock("virtual")

both = pytest.mark.parametrize("reach", ["here", "elsewhere"])


refused: list[Exception] = []


class Room(Channel[Any]):
    """What most tests join."""

    async def join(self, payload: dict[str, Any]) -> Any:
        return bytes(3) if payload.get("binary") else None

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("bytes")
    async def bytes(self) -> Any:
        return bytes(3)

    @on("push_bytes")
    async def push_bytes(self) -> Any:
        try:
            await self.push("drawn", bytes(3))
        except EncodeError as problem:
            refused.append(problem)
        return {"still": "here"}

    @on("work")
    async def work(self, payload: dict[str, float]) -> None:
        await work(payload["seconds"])


class Narrow(Room):
    """Whose inbox is soon full."""

    max_inbox = 2


class Slow(Channel[Any]):
    """A join that takes as long as it is told to."""

    async def join(self, payload: dict[str, float]) -> None:
        await work(payload["seconds"])


CHANNELS: dict[str, type[Channel[Any, Any]]] = {
    "room:*": Room,
    "narrow:*": Narrow,
    "slow:*": Slow,
}


# Requests that are none.


@pytest.mark.conformance("OB020")
@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
async def test_other_methods(method: str) -> None:
    """HTTP status 400, without a body, but for pages of any origin to see."""
    async with polling("here", CHANNELS) as (_, browser, _):
        answer = await browser.ask(method)
        assert (answer.http_status, answer.content) == (400, b"")
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.conformance("OB020")
@pytest.mark.parametrize("asked", [None, "x-phoenix-authtoken, content-type"])
async def test_a_preflight(asked: str | None) -> None:
    """A browser may be told to ask first what a page may send: whatever it likes."""
    async with polling("here", CHANNELS) as (_, browser, _):
        asks = {} if asked is None else {"access-control-request-headers": asked}
        answer = await browser.ask("OPTIONS", headers={"origin": "http://localhost", **asks})
        allowed = {} if asked is None else {"access-control-allow-headers": asked}
        assert (answer.http_status, answer.content) == (200, b"")
        assert answer.headers == {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "get, post, options",
            "access-control-max-age": "3600",
            "content-length": "0",
            **allowed,
        }


async def test_a_query_that_cannot_be_decoded() -> None:
    """HTTP status 400, and 414 for one that is too long."""
    async with polling("here", CHANNELS) as (server, browser, _):
        assert (await browser.ask("GET", query_string=b"a=%ff")).http_status == 400
        long = b"vsn=2.0.0&token=" + b"a" * 1_000_000
        assert (await browser.ask("GET", query_string=long)).http_status == 414
        server.logged("1000000 bytes", level=logging.WARNING)


async def test_a_token_that_is_a_list_is_none() -> None:
    """Whatever the query makes of it."""

    async def connect() -> None: ...

    async with polling("here", CHANNELS, connect=connect, id=None) as (_, browser, _):
        answer = await browser.ask("GET", query_string=b"vsn=2.0.0&token[]=a")
        assert answer.status == 410


async def test_a_body_that_is_too_long() -> None:
    """HTTP status 400 as soon as it is, and the session goes on."""
    async with polling("here", CHANNELS, longpoll=LongPoll(max_body=1000)) as (_, browser, _):
        token = await joined(browser)
        pieces = [b"[" * 600, b"[" * 600]
        request = browser.start("POST", token, *pieces, stays_open=True)
        answer = await request.answer()
        assert answer.http_status == 400
        assert answer.headers["connection"] == "close"
        assert b"1000 bytes" in answer.content
        assert (await browser.get(token)).status == 204


async def test_a_body_in_several_pieces() -> None:
    """It is put together."""
    async with polling("here", CHANNELS) as (_, browser, _):
        token = await browser.begin()
        pieces = [b'["1","1","roo', b"", b'm:1","phx_join",{}]']
        assert (await browser.start("POST", token, *pieces).answer()).status == 200
        assert len((await browser.get(token)).messages) == 1


async def test_a_client_that_goes_away_while_it_sends() -> None:
    """Nothing of its body is handled, and nobody is answered."""
    async with polling("here", CHANNELS) as (_, browser, _):
        token = await joined(browser)
        whole = b'["1","2","room:1","echo",{}]'
        request = browser.start("POST", token, whole, stays_open=True)
        await settle()
        request.disconnect()
        await request.task
        assert (await browser.get(token)).status == 204


@both
@pytest.mark.conformance("OB020")
async def test_a_line_that_is_not_base64(reach: Reach) -> None:
    """HTTP status 400; nothing of the batch is handled, and the session goes on."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        request = browser.start_post(token, ["1", "2", "room:1", "echo", {}], "nonsense!")
        answer = await request.answer()
        assert answer.http_status == 400
        assert b"base64" in answer.content
        assert (await browser.get(token)).status == 204


async def test_a_message_that_is_too_long_ends_the_session() -> None:
    """As it closes a WebSocket."""
    async with polling("here", CHANNELS, max_frame_size=100) as (server, browser, _):
        token = await joined(browser)
        posted = await browser.post(token, ["1", "2", "room:1", "echo", {"a": "b" * 100}])
        assert posted == {"status": 410}
        server.logged("a message of", level=logging.WARNING)


async def test_text_that_is_not_utf8_ends_the_session() -> None:
    """As it closes a WebSocket; text that is goes through."""
    async with polling("here", CHANNELS) as (server, browser, _):
        token = await joined(browser)
        posted = await browser.post(token, '["1","2","room:1","echo",{"a":"ß"}]')
        assert posted == {"status": 200}
        body = b'["1","3","room:1","echo",{"a":"\xff"}]'
        assert (await browser.start("POST", token, body).answer()).status == 410
        server.logged("not UTF-8", level=logging.WARNING)


@pytest.mark.parametrize("over", ["native", "asgi"])
async def test_no_websocket_is_to_be_had_there(over: Over) -> None:
    """The path is for polling alone."""
    async with serve(endpoint_of(CHANNELS, longpoll=True)) as server:
        with pytest.raises(HandshakeRefused) as refusal:
            await server.connect("/socket/longpoll", over=over)
        assert refusal.value.status == 404


async def test_without_the_option_there_is_no_such_path() -> None:
    """It is off by default."""

    async def connect() -> None: ...

    socket: Socket[Any] = Socket(connect=connect, channels=CHANNELS)
    async with serve(Endpoint(sockets={"/socket": socket})) as server:
        assert (await Browser(server.endpoint).ask("GET")).http_status == 404


async def test_it_works_inside_other_applications() -> None:
    """Wrapped, and under a mount; other paths are the application's."""

    async def other(scope: Any, receive: Any, send: Any) -> None:
        del receive
        head = {"status": 418, "headers": [(b"content-length", b"0")]}
        await send({"type": "http.response.start", **head})
        await send({"type": "http.response.body", "body": b""})

    async with serve(endpoint_of(CHANNELS, longpoll=True)) as server:
        wrapped = server.endpoint.wrap(other)
        await joined(Browser(wrapped))
        assert (await Browser(wrapped, path="/socket").ask("GET")).http_status == 418
        mounted = Browser(server.endpoint, path="/rt/socket/longpoll")
        assert (await mounted.ask("GET", root_path="/rt")).status == 410


# Tokens that are not good.


def token_of(
    topic: str, *, mount: str = "/socket", secret: str = SECRET, max_age: float = 60
) -> str:
    return SessionTokens(secret).make(SessionName(topic, mount), max_age)


@both
async def test_tokens_that_are_not_good_are_none(reach: Reach) -> None:
    """A forged one, a stale one, and one of another mount: a poll begins a session, a post says 410."""

    async def connect() -> None: ...

    async with polling(reach, CHANNELS) as (server, browser, elsewhere):
        topic, token = "phx:lp:none", await browser.begin()
        bad = [
            "",
            token[:-1],
            token_of(topic, secret="another secret of this length"),
            token_of(topic, max_age=-1),
            token_of(topic, mount="/elsewhere"),
            token_of(topic),
        ]
        for one in bad:
            assert await browser.post(one, ["1", "1", "room:1", "phx_join", {}]) == {"status": 410}
            answer = await browser.get(one)
            assert answer.status == 410
            assert answer.token not in (one, token)
        assert running_loop().time() == 0
        assert server.endpoint.connections + elsewhere.connections == 1 + len(bad)


async def test_a_token_is_good_for_its_mount_alone() -> None:
    """Each socket has its own sessions."""

    async def connect() -> None: ...

    socket: Socket[Any] = Socket(connect=connect, channels=CHANNELS, longpoll=True)
    other: Socket[Any] = Socket(connect=connect, channels=CHANNELS, longpoll=True)
    async with serve(Endpoint(sockets={"/socket": socket, "/other": other})) as server:
        token = await Browser(server.endpoint).begin()
        assert (await Browser(server.endpoint, path="/other/longpoll").get(token)).token != token


async def test_a_token_has_an_age() -> None:
    """After that it is none, though its session lives."""
    async with polling("here", CHANNELS, longpoll=LongPoll(max_age=1e-9)) as (_, browser, _):
        token = await browser.begin()
        made = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == made:
            pass  # a token counts in milliseconds
        assert (await browser.get(token)).token != token


async def test_without_a_secret_key_tokens_are_good_in_their_process() -> None:
    """Another endpoint doesn't know them."""
    endpoint, other = (endpoint_of(CHANNELS, longpoll=True) for _ in range(2))
    async with serve(endpoint), serve(other):
        token = await Browser(endpoint).begin()
        assert (await Browser(endpoint).get(token)).token == token
        assert (await Browser(other).get(token)).token != token


async def test_a_secret_may_be_changed() -> None:
    """The first of several signs; tokens of the others are still good."""
    old = endpoint_of(CHANNELS, longpoll=True, secret_key=SECRET)
    new = endpoint_of(CHANNELS, longpoll=True, secret_key=["the secret from now on", SECRET])
    async with serve(old) as server:
        new.pubsub = server_of(new).pubsub = server.endpoint.pubsub
        await new.start()
        token = await Browser(old).begin()
        assert (await Browser(new).get(token)).token == token
        await new.stop()


# Sessions in other processes.


@pytest.mark.conformance("LP020")
async def test_a_session_whose_process_does_not_answer_is_gone() -> None:
    """After the time that it was given: a post says 410, a poll begins another."""
    async with polling("elsewhere", CHANNELS) as (server, browser, _):
        topic = "phx:lp:dead"
        token = token_of(topic)
        deaf = server.endpoint.pubsub.subscribe(topic, lambda message: None)
        assert await browser.post(token, ["1", "1", "room:1", "phx_join", {}]) == {"status": 410}
        assert running_loop().time() == 2
        answer = await browser.get(token)
        assert answer.status == 410
        assert answer.token != token
        assert running_loop().time() == 4
        deaf.cancel()


async def test_a_session_whose_process_dies_while_it_is_at_it() -> None:
    """The post says 408 in the end."""
    from bennu.transports.longpoll.messages import Posted, Progress

    async with polling("elsewhere", CHANNELS) as (server, browser, _):
        topic, pubsub = "phx:lp:dying", server.endpoint.pubsub
        token = token_of(topic)

        def take_and_die(message: Any) -> None:
            if isinstance(message, Posted):
                pubsub.local_broadcast(topic, Progress(message.ref))

        dying = pubsub.subscribe(topic, take_and_die)
        assert await browser.post(token, ["1", "1", "room:1", "phx_join", {}]) == {"status": 408}
        assert running_loop().time() == 12
        dying.cancel()


async def test_what_was_said_before_the_end_reaches_a_poll_that_asks_again() -> None:
    """It was told that something came, and while it asks for that, the session ends."""
    options: dict[str, Any] = {"params": {"name": "ann"}}
    async with polling("elsewhere", CHANNELS, **options) as (server, browser, elsewhere):
        token = await joined(browser)
        waiting = browser.start("GET", token)
        await settle()
        ask = elsewhere.pubsub.broadcast_from

        async def end_first(sender: object, topic: str, message: Any) -> None:
            await server.endpoint.disconnect("ann")
            await ask(sender, topic, message)

        elsewhere.pubsub.broadcast_from = end_first  # type: ignore[method-assign]
        await server.endpoint.broadcast("room:1", "news", {})
        assert (await waiting.answer()).messages == [[None, None, "room:1", "news", {}]]
        assert running_loop().time() == 0


# Who may connect.


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connect_that_crashes_is_a_server_error(method: str) -> None:
    """HTTP status 500, which makes clients come again."""

    async def connect() -> None:
        raise RuntimeError("by intent")

    async with polling("here", CHANNELS, connect=connect, id=None) as (server, browser, _):
        if method == "POST":  # begins nothing
            assert await browser.post(None, "[]") == {"status": 410}
            return
        assert (await browser.ask("GET")).http_status == 500
        server.logged("connect of /socket crashed")


async def test_an_error_handler_has_no_say() -> None:
    """The body says 403, as clients understand it."""

    async def connect() -> None:
        raise Refused("no")

    options: dict[str, Any] = {"connect": connect, "error_handler": lambda _: (302, b"go away")}
    async with polling("here", CHANNELS, **options, id=None) as (_, browser, _):
        assert (await browser.get()).body == {"status": 403}


@pytest.mark.parametrize("auth_token", [True, False])
async def test_the_auth_token_comes_in_a_header(auth_token: bool) -> None:
    """If the socket takes one. It is no header of `info.headers`; nor are subprotocols looked at."""
    infos: list[ConnectInfo] = []

    async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
        infos.append(info)

    options: dict[str, Any] = {"connect": connect, "auth_token": auth_token, "id": None}
    async with polling("here", CHANNELS, **options, subprotocols=["ours"]) as (_, browser, _):
        await browser.begin(headers={"x-phoenix-authtoken": "1234"})
        await browser.begin(headers={"sec-websocket-protocol": "theirs"})
        with_token, without = infos
        assert with_token.auth_token == ("1234" if auth_token else None)
        assert ("x-phoenix-authtoken" in with_token.headers) is not auth_token
        assert without.auth_token is None


# Bounds.


async def test_there_is_a_bound_of_sessions() -> None:
    """Of each socket. Who wants one more gets HTTP status 503: stock clients come again later."""

    async def connect(params: dict[str, str]) -> str:
        if "refused" in params:
            raise Refused("no")
        if "crash" in params:
            raise RuntimeError("by intent")
        return "ann"

    options: dict[str, Any] = {"connect": connect, "longpoll": LongPoll(max_sessions=2)}
    async with polling("here", CHANNELS, **options) as (server, browser, _):
        assert (await Browser(server.endpoint, params={"refused": "1"}).get()).status == 403
        await Browser(server.endpoint, params={"crash": "1"}).get()
        server.logged("crashed")
        await browser.begin()
        await browser.begin()
        answer = await browser.get()
        assert (answer.http_status, answer.content) == (503, b"")
        server.logged("LongPoll(max_sessions=...)", level=logging.WARNING)
        await server.endpoint.disconnect("ann")
        await browser.begin()


async def test_the_limits_of_the_endpoint_hold() -> None:
    """Of all connections; refused with the HTTP status, so that stock clients come again later."""

    async def connect() -> None: ...

    socket: Socket[Any] = Socket(connect=connect, channels=CHANNELS, longpoll=True)
    limits = Limits(connects_per_ip="2/minute")
    async with serve(Endpoint(sockets={"/socket": socket}, limits=limits)) as server:
        browser = Browser(server.endpoint)
        await joined(browser)
        await browser.begin()
        answer = await browser.get()
        assert (answer.http_status, answer.content) == (429, b"rate_limited")
        assert int(answer.headers["retry-after"]) > 0
        server.logged("connects", level=logging.WARNING)


async def test_the_rates_of_a_socket_hold() -> None:
    """A message that comes too fast is answered as on a WebSocket."""
    async with polling("here", CHANNELS, rates=Rates(messages="2/10s")) as (server, browser, _):
        token = await joined(browser)
        echo = ["1", "2", "room:1", "echo", {}]
        assert await browser.post(token, echo, echo) == {"status": 200}
        responses = [message[4]["response"] for message in (await browser.get(token)).messages]
        assert "rate_limited" in [response.get("reason") for response in responses]
        server.logged("Rates(messages=...)", level=logging.WARNING)


async def test_a_connect_that_is_cancelled_leaves_its_place() -> None:
    """The client went away while it was decided on."""

    async def connect() -> None:
        await work(3)

    options: dict[str, Any] = {"connect": connect, "id": None, "longpoll": LongPoll(max_sessions=1)}
    async with polling("here", CHANNELS, **options) as (_, browser, _):
        request = browser.start("GET")
        await settle()
        request.task.cancel()
        await settle()
        await browser.begin()


@pytest.mark.parametrize("polls", [True, False])
async def test_a_client_that_does_not_poll_loses_its_session(polls: bool) -> None:
    """Beyond the bound of what waits for it; one that polls never gets there."""
    longpoll = LongPoll(max_buffer=2000)
    async with polling("here", CHANNELS, longpoll=longpoll) as (server, browser, _):
        token = await joined(browser)
        for _ in range(30):
            if polls:
                browser.start("GET", token)
                await settle()
            await server.endpoint.broadcast("room:1", "news", {"text": "a" * 100})
            await settle()
        assert server.endpoint.connections == polls
        if not polls:
            server.logged("bytes unread", level=logging.WARNING)


async def test_one_message_may_be_longer_than_the_bound() -> None:
    """It is there anyhow, and so is one more; what comes behind is too much."""
    longpoll = LongPoll(max_buffer=100)
    async with polling("here", CHANNELS, longpoll=longpoll) as (server, browser, _):
        token = await joined(browser)
        await server.endpoint.broadcast("room:1", "news", {"text": "a" * 1000})
        assert len((await browser.get(token)).messages) == 1
        for _ in range(3):
            await server.endpoint.broadcast("room:1", "news", {"text": "a" * 1000})
            await settle()
        server.logged("bytes unread", level=logging.WARNING)
        assert server.endpoint.connections == 0


async def test_a_flood_in_one_turn_ends_the_session_once() -> None:
    """Whatever else is written before it is over is dropped."""
    longpoll = LongPoll(max_buffer=100)
    async with polling("here", CHANNELS, longpoll=longpoll) as (server, browser, _):
        await joined(browser)
        pubsub = server.endpoint.pubsub
        for number in range(10):
            await server.endpoint.broadcast("room:1", "news", {"n": number})
            pubsub.batch.flush()
        await settle()
        server.logged("bytes unread", level=logging.WARNING)


@both
async def test_a_full_inbox_makes_posts_wait(reach: Reach) -> None:
    """Until the channel has caught up; as reading pauses on a WebSocket."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser, "narrow:1")
        work_on = ["1", None, "narrow:1", "work", {"seconds": 1}]
        echo = ["1", "2", "narrow:1", "echo", {"n": 1}]
        posted = browser.start_post(token, work_on, work_on, work_on, echo)
        await settle()
        assert not posted.is_answered
        assert (await posted.answer()).body == {"status": 200}
        assert running_loop().time() > 0
        reply = ["1", "2", "narrow:1", "phx_reply", ok({"n": 1})]
        assert (await browser.get(token)).messages == [reply]


@both
async def test_a_channel_that_never_catches_up(reach: Reach) -> None:
    """The post says 408 after a window."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser, "narrow:1")
        work_on = ["1", None, "narrow:1", "work", {"seconds": 100}]
        posted = browser.start_post(token, work_on, work_on, work_on)
        polls = [browser.start("GET", token) for _ in range(2)]
        assert (await posted.answer()).body == {"status": 408}
        assert running_loop().time() == 10
        for poll in polls:
            await poll.answer()
        await server.endpoint.stop()
        server.logged("did not finish in 5s")


@both
async def test_there_is_a_bound_of_posts_under_way(reach: Reach) -> None:
    """Stock clients send one after another. What is too many is answered 408."""
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await browser.begin()
        slow = ["1", "1", "slow:1", "phx_join", {"seconds": 5}]
        waiting = [browser.start_post(token, slow) for _ in range(8)]
        await settle()
        assert await browser.post(token, slow) == {"status": 408}
        assert running_loop().time() == 0
        first = await waiting[0].answer()
        assert first.body == {"status": 200}
        assert running_loop().time() == 5
        for post in waiting[1:]:
            post.task.cancel()


async def test_the_end_of_a_session_frees_posts_that_wait() -> None:
    """They say 410."""
    async with polling("here", CHANNELS, params={"name": "ann"}) as (server, browser, _):
        token = await browser.begin()
        slow = ["1", "1", "slow:1", "phx_join", {"seconds": 4}]
        posts = [browser.start_post(token, slow) for _ in range(2)]
        await settle()
        await server.endpoint.disconnect("ann")
        for post in posts:
            assert (await post.answer()).body == {"status": 410}
        assert running_loop().time() == 0


# Bytes that can't go out.


@both
async def test_a_push_of_bytes_is_refused_to_the_channel(reach: Reach) -> None:
    """The session and the channel live."""
    refused.clear()
    async with polling(reach, CHANNELS) as (_, browser, _):
        token = await joined(browser)
        await browser.post(token, ["1", "2", "room:1", "push_bytes", {}])
        reply = ["1", "2", "room:1", "phx_reply", ok({"still": "here"})]
        assert (await browser.get(token)).messages == [reply]
        (problem,) = refused
        assert "polls" in str(problem)


@both
async def test_a_reply_of_bytes_becomes_an_error(reach: Reach) -> None:
    """The client learns it, and so does the log."""
    async with polling(reach, CHANNELS) as (server, browser, _):
        token = await joined(browser)
        await browser.post(token, ["1", "2", "room:1", "bytes", {}])
        reply = ["1", "2", "room:1", "phx_reply", error("binary_unsupported")]
        assert (await browser.get(token)).messages == [reply]
        server.logged("V2 JSON over longpoll", level=logging.WARNING)


async def test_a_join_that_returns_bytes_crashes() -> None:
    """And leaves nothing behind: the topic can be joined."""
    async with polling("here", CHANNELS) as (server, browser, _):
        token = await browser.begin()
        await browser.post(token, ["1", "1", "room:1", "phx_join", {"binary": True}])
        reply = ["1", "1", "room:1", "phx_reply", error("join crashed")]
        assert (await browser.get(token)).messages == [reply]
        server.logged("returned what can't be sent")
        assert server.endpoint.pubsub.subscribers("room:1") == 0


async def test_a_broadcast_of_bytes_passes_by_clients_that_poll() -> None:
    """It is counted; clients on a WebSocket get it."""
    async with polling("here", CHANNELS) as (server, browser, _):
        token = await joined(browser)
        other = await server.connect()
        await other.join("room:1")
        await server.endpoint.broadcast("room:1", "drawn", bytes(3))
        await other.expect((None, None, "room:1", "drawn", bytes(3)))
        assert (await browser.get(token)).status == 204
        server.logged("1 client(s) that speak V2 JSON over long polling", level=logging.WARNING)
        assert server.endpoint.telemetry.drops == {("room:1", DropReason.NO_BINARY): 1}


# Definitions.


@pytest.mark.parametrize("given", [None, 10, {"window": 10}])
def test_the_option_is_a_bool_or_a_long_poll(given: Any) -> None:
    """Anything else is a mistake."""

    async def connect() -> None: ...

    with pytest.raises(DefinitionError, match="LongPoll"):
        Socket(connect=connect, channels=CHANNELS, longpoll=given)


@pytest.mark.parametrize(
    "name", ["window", "pubsub_timeout", "max_age", "max_body", "max_buffer", "max_sessions"]
)
def test_its_numbers_are_above_zero(name: str) -> None:
    """The error names the one that is not."""
    options: dict[str, Any] = {name: 0}
    with pytest.raises(DefinitionError, match=rf"LongPoll\({name}="):
        LongPoll(**options)


def test_its_path_is_not_the_websockets() -> None:
    """Two things under one path are a mistake."""

    async def connect() -> None: ...

    longpoll = LongPoll(path="websocket")
    socket: Socket[Any] = Socket(connect=connect, channels=CHANNELS, longpoll=longpoll)
    with pytest.raises(DefinitionError, match="two sockets"):
        Endpoint(sockets={"/socket": socket})


@pytest.mark.parametrize("secret", ["short", b"", [], 7])
def test_a_secret_has_twenty_bytes(secret: Any) -> None:
    """It is found out at start-up."""
    with pytest.raises(DefinitionError, match="secret_key"):
        Endpoint(sockets={}, secret_key=secret)


# In a hurry.


async def test_many_polls_of_many_sessions() -> None:
    """Each gets its own."""
    async with polling("here", CHANNELS) as (server, browser, _):
        tokens = [await joined(browser, f"room:{number}") for number in range(20)]
        waiting = [browser.start("GET", token) for token in tokens]
        await advance(1)
        for number in range(20):
            await server.endpoint.broadcast(f"room:{number}", "news", {"n": number})
        for number, poll in enumerate(waiting):
            news = [None, None, f"room:{number}", "news", {"n": number}]
            assert (await poll.answer()).messages == [news]
