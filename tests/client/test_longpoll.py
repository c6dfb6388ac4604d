"""Long polling as a client does it, by the tests of phoenix.js (assets/test/longpoll_test.js), request by request."""

from __future__ import annotations

import asyncio
import base64
import builtins
import json
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bennu import DefinitionError
from bennu.client import (
    Client,
    ConnectFailed,
    ConnectionState,
    ConnectRefused,
    RemoteChannel,
)
from bennu.testing.clock import advance, settle

from .played import EXACT

BEGUN = {"status": 410, "token": "t1", "messages": []}


class Poller:
    """An HTTP server: the test answers each request."""

    def __init__(self, *answers: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.waiting: list[tuple[httpx.Request, asyncio.Future[Any]]] = []
        self._answers = deque(answers or (BEGUN,))
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._take))

    async def _take(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._answers:
            answer = self._answers.popleft()
        else:
            future = asyncio.get_running_loop().create_future()
            self.waiting.append((request, future))
            answer = await future
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, json=answer)

    async def answer(self, method: str, answer: Any) -> httpx.Request:
        """Answer the oldest request with a method, and return it."""
        await settle()
        for request, future in self.waiting:
            if request.method == method and not future.done():
                future.set_result(answer)
                await settle()
                return request
        raise AssertionError(f"no {method} waits: {[one.method for one, _ in self.waiting]}")

    def client(self, **options: Any) -> Client:
        """Return a client of this server."""
        return Client("ws://a/socket", transport="longpoll", http=self.http, **EXACT, **options)

    def posts(self) -> list[list[str]]:
        """Return the lines of each POST."""
        posts = (one for one in self.requests if one.method == "POST")
        return [one.content.decode().split("\n") for one in posts]


def frame(*parts: Any) -> str:
    return json.dumps(parts, separators=(",", ":"))


async def joined(poller: Poller, client: Client) -> RemoteChannel:
    room = client.channel("room")
    join = room.join()
    await poller.answer("POST", {"status": 200})
    ref = room.join_ref
    reply = frame(ref, ref, "room", "phx_reply", {"status": "ok", "response": {}})
    await poller.answer("GET", {"status": 200, "token": "t1", "messages": [reply]})
    await join
    return room


async def test_a_session_begins_without_a_token_and_goes_on_with_it() -> None:
    poller = Poller()
    async with poller.client(auth_token="secret", headers={"x-mine": "1"}):
        await poller.answer("GET", {"status": 204, "token": "t1"})
        await settle()
        first, second, third = poller.requests
        assert str(first.url) == "http://a/socket/longpoll?vsn=2.0.0"
        assert "x-phoenix-longpoll-token" not in first.headers
        for later in (second, third):
            assert str(later.url) == "http://a/socket/longpoll?vsn=2.0.0&token=t1"
            assert later.headers["x-phoenix-longpoll-token"] == "t1"
        for each in poller.requests:
            assert each.headers["x-phoenix-authtoken"] == "secret"
            assert each.headers["accept"] == "application/json"
            assert each.headers["x-mine"] == "1"


async def test_messages_come_in_order_and_the_next_poll_waits() -> None:
    poller = Poller()
    async with poller.client() as client:
        room = await joined(poller, client)
        got: list[Any] = []
        room.on("event", got.append)
        messages = [frame(None, None, "room", "event", n) for n in (1, 2, 3)]
        await poller.answer("GET", {"status": 200, "token": "t1", "messages": messages})
        assert got == [1, 2, 3]
        assert sum(not future.done() for _, future in poller.waiting) == 1


async def test_what_is_sent_in_one_turn_is_one_post() -> None:
    """While a POST is under way, further messages wait for the next one."""
    poller = Poller()
    async with poller.client() as client:
        room = await joined(poller, client)
        for number in (1, 2):
            _ = room.push("event", {"n": number})
        await settle()
        _ = room.push("event", b"\x01\xff")
        _ = room.push("event", {"n": 3})
        await settle()
        assert [len(lines) for lines in poller.posts()] == [1, 2]
        post = await poller.answer("POST", {"status": 200})
        assert post.headers["content-type"] == "application/x-ndjson"
        assert post.headers["x-phoenix-longpoll-token"] == "t1"
        [binary, text] = poller.posts()[2]
        assert base64.b64decode(binary).endswith(b"roomevent\x01\xff")
        assert json.loads(text)[3:] == ["event", {"n": 3}]
        await poller.answer("POST", {"status": 200})


async def test_a_post_has_at_most_100_messages() -> None:
    poller = Poller()
    async with poller.client() as client:
        room = await joined(poller, client)
        for number in range(150):
            _ = room.push("event", {"n": number})
        await poller.answer("POST", {"status": 200})
        await poller.answer("POST", {"status": 200})
        numbers = [json.loads(line)[4]["n"] for lines in poller.posts()[1:] for line in lines]
        assert numbers == list(range(150))
        assert [len(lines) for lines in poller.posts()[1:]] == [100, 50]


async def test_v1_posts_each_message_alone() -> None:
    poller = Poller()
    async with poller.client(vsn="1.0.0") as client:
        _ = client.channel("one").join()
        _ = client.channel("two").join()
        await settle()
        post = await poller.answer("POST", {"status": 200})
        assert post.headers["content-type"] == "application/json"
        assert json.loads(post.content)["topic"] == "one"
        await poller.answer("POST", {"status": 200})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 410, "token": "t2", "messages": []}, 3410),
        ({"status": 403}, 1008),
        ({"status": 500}, 1011),
        (httpx.Response(500, text="oops"), 1011),
        (httpx.Response(200, text="no JSON"), 1011),
        (httpx.ConnectError("down"), 1011),
        ({"status": 299}, 1011),
    ],
    ids=["gone", "forbidden", "broken", "500", "text", "down", "unknown"],
)
async def test_a_poll_that_fails_ends_the_session_and_the_client_begins_another(
    answer: Any, code: int
) -> None:
    poller = Poller()
    async with poller.client() as client:
        room = await joined(poller, client)
        codes: list[int] = []
        client.on_close(lambda closed: codes.append(closed.code))
        await poller.answer("GET", answer)
        assert (codes, client.state) == ([code], ConnectionState.CONNECTING)
        await advance(0.01)
        begin = await poller.answer("GET", {**BEGUN, "token": "t3"})
        assert "token=" not in str(begin.url)
        assert client.is_open
        await poller.answer("POST", {"status": 200})
        assert json.loads(poller.posts()[-1][0])[3] == "phx_join"
        assert not room.is_joined


async def test_a_poll_without_an_answer_ends_in_time() -> None:
    poller = Poller()
    async with poller.client() as client:
        codes: list[int] = []
        client.on_close(lambda closed: codes.append(closed.code))
        await advance(19.9)
        assert client.is_open
        await advance(0.1)
        assert codes == [1005]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 410}, 3410),
        ({"status": 408}, 1011),
        (httpx.Response(500), 1011),
        (httpx.ConnectError("down"), 1011),
        (None, 1005),
    ],
    ids=["gone", "timeout", "500", "down", "late"],
)
async def test_a_post_that_fails_ends_the_session_at_once(answer: Any, code: int) -> None:
    """The poll that waits is given up."""
    poller = Poller()
    async with poller.client() as client:
        codes: list[int] = []
        client.on_close(lambda closed: codes.append(closed.code))
        _ = client.channel("room").join()
        if answer is None:
            await advance(10)
        else:
            await poller.answer("POST", answer)
        assert codes == [code]
        await advance(0.01)
        await poller.answer("GET", BEGUN)
        assert client.is_open


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": 403}, 403),
        (httpx.Response(404, text="no such page"), 404),
        ({"status": 410}, 410),
    ],
    ids=["refused", "no socket", "no token"],
)
async def test_a_refused_session_is_raised(answer: Any, status: int) -> None:
    with pytest.raises(ConnectRefused) as caught:
        async with Poller(answer).client():
            pytest.fail("it was refused")
    assert caught.value.status == status


async def test_a_server_that_is_down_is_tried_again() -> None:
    poller = Poller(httpx.ConnectError("down"), httpx.ConnectError("down"), BEGUN)
    async with poller.client():
        assert len(poller.requests) >= 3
    with pytest.raises(
        ConnectFailed, match="ws://a/socket can't be reached: it has not answered in time"
    ):
        async with Poller(*[TimeoutError()] * 1000).client(timeout=2):
            pytest.fail("it is down")


async def test_what_was_pushed_is_posted_before_the_end() -> None:
    poller = Poller()
    client = poller.client()
    await client.opened()
    room = await joined(poller, client)
    _ = room.push("last")
    closing = asyncio.create_task(client.close())
    await settle()
    assert not closing.done()
    await poller.answer("POST", {"status": 200})
    await closing
    assert json.loads(poller.posts()[-1][0])[3] == "last"
    assert not poller.http.is_closed, "it belongs to the application"


async def test_without_httpx_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: Callable[..., Any] = builtins.__import__

    def no_httpx(name: str, *args: Any) -> Any:
        if name == "httpx":
            raise ModuleNotFoundError(name)
        return found(name, *args)

    monkeypatch.setattr(builtins, "__import__", no_httpx)
    with pytest.raises(DefinitionError, match=r"pip install 'bennu\[client\]'"):
        async with Client("ws://a/socket", transport="longpoll"):
            pytest.fail("it is not installed")
