"""A polling client and its ASGI server: requests to an endpoint, in memory.

    browser = Browser(endpoint)
    token = await browser.begin()
    assert await browser.post(token, join("1", "room:1")) == {"status": 200}
    assert (await browser.get(token)).messages == [...]

:class:`LongPollWire` is a wire (:mod:`bennu.testing.wires`): it polls again and again.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from ..message import ABNORMAL

__all__ = ["NDJSON", "Browser", "HTTPAnswer", "LongPollWire", "Request"]

NDJSON: Final = "application/x-ndjson"

TOKEN_HEADER: Final = "x-phoenix-longpoll-token"  # noqa: S105 - a name

SESSION_GONE: Final = 3410
"""The code with which phoenix.js closes when its session is gone."""


class HTTPAnswer(NamedTuple):
    """The answer to a request."""

    http_status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the body."""
        assert self.http_status == 200, self
        assert self.headers["content-type"] == "application/json; charset=utf-8"
        body: dict[str, Any] = json.loads(self.content)
        return body

    @property
    def status(self) -> int:
        """The status in the body."""
        status: int = self.body["status"]
        return status

    @property
    def token(self) -> str:
        """The session's token."""
        token: str = self.body["token"]
        return token

    @property
    def messages(self) -> list[Any]:
        """The decoded messages."""
        return [json.loads(message) for message in self.body["messages"]]


class Request:
    """A request that was sent.

    Attributes:
        task: The task of the application.
    """

    def __init__(
        self, endpoint: Any, scope: dict[str, Any], pieces: Sequence[bytes], *, stays_open: bool
    ) -> None:
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent: list[dict[str, Any]] = []
        last = len(pieces) - 1
        for number, piece in enumerate(pieces):
            more = number < last or stays_open
            self._incoming.put_nowait({"type": "http.request", "body": piece, "more_body": more})
        self.task = asyncio.create_task(endpoint(scope, self._incoming.get, self._send))
        self._is_gone = False

    def feed(self, piece: bytes, *, more: bool = True) -> None:
        """Send more of the body."""
        self._incoming.put_nowait({"type": "http.request", "body": piece, "more_body": more})

    def disconnect(self) -> None:
        """Disconnect before the answer. Each later send of the application fails."""
        self._is_gone = True
        self._incoming.put_nowait({"type": "http.disconnect"})

    def stop_reading(self) -> None:
        """Disconnect without an event: the server must find out by itself."""
        self._is_gone = True

    async def _send(self, event: Any) -> None:
        if self._is_gone:
            raise OSError("the client has gone away")
        self._sent.append(event)

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer."""
        return len(self._sent) == 2

    async def answer(self) -> HTTPAnswer:
        """Wait for the answer, for any time."""
        await self.task
        start, body = self._sent
        assert start["type"] == "http.response.start"
        assert body["type"] == "http.response.body"
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        assert int(headers["content-length"]) == len(body["body"])
        assert all(name == name.lower() for name in headers)
        return HTTPAnswer(start["status"], headers, body["body"])


class Browser:
    """Sends requests.

    Args:
        endpoint: An ASGI application.
        elsewhere: Another application for requests with a token. Default: the same application.
        path: The path of long polling.
        vsn: The version of the wire.
        params: More parameters of the query.
    """

    def __init__(
        self,
        endpoint: Any,
        *,
        elsewhere: Any = None,
        path: str = "/socket/longpoll",
        vsn: str | None = "2.0.0",
        params: Mapping[str, str] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._elsewhere = endpoint if elsewhere is None else elsewhere
        self._path = path
        self._params = {**(params or {}), **({} if vsn is None else {"vsn": vsn})}

    def start(
        self,
        method: str,
        token: str | None = None,
        *pieces: bytes,
        headers: Mapping[str, str] | None = None,
        more_headers: Sequence[tuple[str, str]] = (),
        stays_open: bool = False,
        **scope: Any,
    ) -> Request:
        """Send a request. The body can come in several pieces, and its end can be missing."""
        params = self._params if token is None else {**self._params, "token": token}
        given = {"host": "localhost", **(headers or {})}
        full = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": self._path,
            "raw_path": self._path.encode(),
            "root_path": "",
            "query_string": (urlencode(params) + "&").encode(),  # phoenix.js leaves one there
            "headers": [
                (name.encode(), value.encode()) for name, value in (*given.items(), *more_headers)
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
            **scope,
        }
        is_new = token is None and TOKEN_HEADER not in given
        endpoint = self._endpoint if is_new else self._elsewhere
        return Request(endpoint, full, pieces or (b"",), stays_open=stays_open)

    async def ask(self, method: str, token: str | None = None, **options: Any) -> HTTPAnswer:
        """Send a request, and wait for its answer."""
        return await self.start(method, token, **options).answer()

    async def get(self, token: str | None = None, **options: Any) -> HTTPAnswer:
        """Poll."""
        return await self.ask("GET", token, **options)

    async def begin(self, **options: Any) -> str:
        """Begin a session, and return its token."""
        answer = await self.get(**options)
        assert answer.body == {"status": 410, "token": answer.token, "messages": []}
        return answer.token

    def start_post(
        self,
        token: str | None,
        *lines: str | bytes | Sequence[Any],
        content_type: str | None = NDJSON,
        headers: Mapping[str, str] | None = None,
        separator: str = "\n",
    ) -> Request:
        """Send messages: text unchanged, bytes as base64, any other value as JSON."""
        body = separator.join(map(_line, lines)).encode()
        given = {} if content_type is None else {"content-type": content_type}
        return self.start("POST", token, body, headers={**given, **(headers or {})})

    async def post(self, token: str | None, *lines: Any, **options: Any) -> dict[str, Any]:
        """Send messages, and return the body of the answer."""
        return (await self.start_post(token, *lines, **options).answer()).body


def _line(message: str | bytes | Sequence[Any]) -> str:
    if isinstance(message, str):
        return message
    if isinstance(message, bytes):
        return base64.b64encode(message).decode()
    return json.dumps(message)


class LongPollWire:
    """A session that is polled again and again, as phoenix.js does.

    Args:
        browser: Sends the requests.
        headers: The headers of the first request.
    """

    def __init__(self, browser: Browser, headers: Mapping[str, str] | None = None) -> None:
        self.received: deque[str | bytes] = deque()
        self.code: int | None = None
        self.reason = ""
        self.subprotocol: str | None = None
        self._browser = browser
        self._headers = headers or {}
        self._outgoing: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._reads = asyncio.Event()
        self._reads.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> HTTPAnswer:
        """Begin a session, and return the answer to the first poll."""
        answer = await self._browser.get(headers=self._headers)
        if answer.http_status == 200 and answer.status == 410:
            for loop in (self._poll(answer.token), self._post(answer.token)):
                task = asyncio.create_task(loop)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return answer

    def send(self, data: str | bytes) -> None:
        """Post a message, after the earlier messages are answered."""
        self._outgoing.put_nowait(data)

    def close(self, code: int = 1000) -> None:
        """Stop polling: a polling client has no other way to close."""
        self._stop(code)

    def vanish(self) -> None:
        """Stop polling."""
        self._stop(ABNORMAL)

    def stop_reading(self) -> None:
        """Stop polling until ``read_on`` is called."""
        self._reads.clear()

    def read_on(self) -> None:
        """Poll again."""
        self._reads.set()

    def _stop(self, code: int) -> None:
        if self.code is None:
            self.code = code
        for task in self._tasks:
            task.cancel()

    async def _poll(self, token: str) -> None:
        while self.code is None:
            await self._reads.wait()
            answer = await self._browser.get(token)
            if answer.status in (410, 500):
                self._stop(SESSION_GONE)
            else:
                self.received.extend(answer.body["messages"])

    async def _post(self, token: str) -> None:
        while True:
            message = await self._outgoing.get()
            is_alone = isinstance(message, str) and not message.startswith("[")
            content_type = "application/json" if is_alone else NDJSON
            body = await self._browser.post(token, message, content_type=content_type)
            if body["status"] != 200:
                self._stop(1011)
