"""Long polling as a client's transport, by the ``httpx`` library. Protocol document, §4 and §5.7.

The client's own task polls: a GET waits at the server until there are messages. Another task posts what is sent, and ends
when nothing is left: all messages of one turn of the event loop are one POST. ``httpx`` is imported when it is used
first.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..errors import DefinitionError
from ..message import NO_CODE
from .errors import ConnectRefused
from .frames import Data
from .transport import Closed, ConnectTarget, TransportClosed, default_tls, unreachable

if TYPE_CHECKING:
    import httpx

__all__ = ["LongPollTransport", "open_longpoll"]

MAX_BATCH: Final = 100
"""Messages of one POST: servers read no more."""

POLL_TIMEOUT: Final = 20.0
"""Seconds for the answer to a poll: twice as long as servers wait."""

NDJSON: Final = "application/x-ndjson"
SESSION_HEADER: Final = "X-Phoenix-Longpoll-Token"
AUTH_HEADER: Final = "X-Phoenix-AuthToken"

GONE: Final = Closed(3410, "session_gone")
FORBIDDEN: Final = Closed(1008, "forbidden")
BROKEN: Final = Closed(1011, "internal server error")
LATE: Final = Closed(NO_CODE, "timeout")


class _Poll(msgspec.Struct):
    status: int
    token: str | None = None
    messages: list[str] = []


_decode = msgspec.json.Decoder(_Poll).decode


async def open_longpoll(target: ConnectTarget) -> LongPollTransport:
    """Begin a session of long polling.

    Raises:
        ConnectRefused: The server answered with another HTTP status than 200, or refused the connect.
        ConnectFailed: The server can't be reached, or has not answered in time.
        DefinitionError: httpx is not installed.
    """
    transport = LongPollTransport(target)
    try:
        await transport.begin()
    except BaseException:
        await transport.end()
        raise
    return transport


class LongPollTransport:
    """One session.

    Args:
        target: Where it is.

    Raises:
        DefinitionError: httpx is not installed.
    """

    __slots__ = (
        "_ended",
        "_headers",
        "_http",
        "_is_batch",
        "_is_ours",
        "_messages",
        "_outgoing",
        "_poll_limit",
        "_posting",
        "_target",
        "_token",
        "_url",
        "beats",
    )

    def __init__(self, target: ConnectTarget) -> None:
        self.beats = False  # each poll says that the client lives
        self._target = target
        self._url = target.url.longpoll(target.query)
        self._headers = {**target.headers, "Accept": "application/json"}
        if target.token is not None:
            self._headers[AUTH_HEADER] = target.token
        self._is_ours = target.http is None
        self._http: httpx.AsyncClient = target.http or _make_http(target)
        self._is_batch = (
            "vsn=1." not in target.query
        )  # the messages of V1 look like no line of a batch
        self._token: str | None = None
        self._messages: deque[Data] = deque()
        self._outgoing: deque[str] = deque()
        self._posting: asyncio.Task[None] | None = None
        self._poll_limit: asyncio.Timeout | None = None
        self._ended: Closed | None = None

    async def begin(self) -> None:
        """Make the session."""
        try:
            async with asyncio.timeout(self._target.timeout):
                status, poll = await self._ask("GET", b"", self._headers)
        except (TimeoutError, OSError, _http_error()) as error:
            raise unreachable(self._target.url, error) from error
        if poll is None:
            raise ConnectRefused(status, None)
        if poll.status != 410 or poll.token is None:
            raise ConnectRefused(poll.status, None)
        self._token = poll.token

    def send(self, data: Data) -> None:
        """Post a message in the next turn, after what waits."""
        text = base64.b64encode(data).decode() if isinstance(data, bytes) else data
        self._outgoing.append(text)
        if self._posting is None and self._ended is None:
            self._posting = asyncio.create_task(self._post())

    async def receive(self) -> Data:
        """Return the next message; poll if none is there."""
        while not self._messages:
            if self._ended is None:
                closed = await self._poll()
                if closed is not None:
                    self._ended = self._ended or closed
            if self._ended is not None and not self._messages:
                await self.end()
                raise TransportClosed(self._ended)
        return self._messages.popleft()

    def drop(self, code: int, reason: str) -> None:
        """End the poll that waits, and poll no more."""
        self._stop(Closed(code, reason))

    async def close(self, code: int, reason: str) -> None:
        """Post what waits, and poll no more: a polling client has no other way to close."""
        if self._posting is not None:
            await asyncio.wait((self._posting,), timeout=self._target.timeout)
        self.drop(code, reason)

    async def end(self) -> None:
        """Close what the session holds."""
        posting = self._posting
        if posting is not None:
            posting.cancel()
            await asyncio.wait((posting,))
        if self._is_ours:
            await self._http.aclose()

    def _stop(self, closed: Closed) -> None:
        if self._ended is None:
            self._ended = closed
            if self._poll_limit is not None:
                self._poll_limit.reschedule(asyncio.get_running_loop().time())

    async def _poll(self) -> Closed | None:
        """Poll once. Return the end of the session; None if it goes on."""
        try:
            async with asyncio.timeout(POLL_TIMEOUT) as self._poll_limit:
                status, poll = await self._ask("GET", b"", self._headers)
        except TimeoutError:
            return LATE
        except (OSError, _http_error()):
            return BROKEN
        finally:
            self._poll_limit = None
        if poll is None or status != 200:
            return BROKEN
        match poll.status:
            case 200:
                self._token = poll.token or self._token
                self._messages.extend(poll.messages)
                return None
            case 204:
                return None
            case 403:
                return FORBIDDEN
            case 410:
                return GONE
            case _:
                return BROKEN

    async def _post(self) -> None:
        try:
            while self._outgoing and self._ended is None:
                count = min(len(self._outgoing), MAX_BATCH) if self._is_batch else 1
                lines = [self._outgoing.popleft() for _ in range(count)]
                media_type = NDJSON if self._is_batch else "application/json"
                headers = {**self._target.headers, "Content-Type": media_type}
                try:
                    async with asyncio.timeout(self._target.timeout):
                        _, answer = await self._ask("POST", "\n".join(lines).encode(), headers)
                except TimeoutError:
                    self._stop(LATE)
                except (OSError, _http_error()):
                    self._stop(BROKEN)
                else:
                    if answer is None or answer.status != 200:
                        self._stop(GONE if answer is not None and answer.status == 410 else BROKEN)
        finally:
            self._posting = None

    async def _ask(
        self, method: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, _Poll | None]:
        """Return the HTTP status and the answer; None for an answer that is none of a session."""
        url = self._url
        if self._token is not None:
            # Phoenix 1.8 reads it in the query, newer ones in the header. Bennu reads both.
            url = f"{url}&token={self._token}"
            headers = {**headers, SESSION_HEADER: self._token}
        response = await self._http.request(
            method, url, content=body or None, headers=headers, timeout=None, follow_redirects=False
        )
        if response.status_code != 200 or len(response.content) > 8 * self._target.max_size:
            return response.status_code, None
        try:
            return 200, _decode(response.content)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return 200, None


def _make_http(target: ConnectTarget) -> Any:
    module = _httpx()
    verify: Any = (target.ssl or default_tls()) if target.url.is_secure else False
    return module.AsyncClient(verify=verify, timeout=None)


def _httpx() -> Any:
    try:
        import httpx  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise DefinitionError(
            "a client that polls",
            expected="the library httpx",
            got="no such module",
            write="pip install 'bennu[client]'",
        ) from error
    return httpx


def _http_error() -> type[Exception]:
    error: type[Exception] = _httpx().HTTPError
    return error
