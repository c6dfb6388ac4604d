"""Answers the requests of the HTTP API.

Theory of operation
-------------------
A request passes these steps, and the first that fails answers it: the host, the method, the key, the number of requests
under way, the type of the body, its time and size, its JSON, the rate of its key, the operation. A body is not read
before its key is known, so a stranger can make the server keep nothing.

A wrong key counts against its address. Beyond the rate, wrong keys are answered 429 and are not logged. A right key is
accepted even then: else somebody behind the same proxy could lock the callers out. Nobody guesses a key of 20 bytes.

No answer has a CORS header, so pages of other origins can't use the API.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ..connect_info import ConnectInfo
from ..errors import DecodeError
from ..limits.buckets import Buckets
from ..limits.connections import network_of
from ..logs.log import Log
from ..presence import Presence
from ..protocol.encoding import check_nesting, check_values
from ..reasons import APIReason, Limit
from ..server.request import Denied
from ..server.server import Server
from ..transports.longpoll import Exchange
from ..transports.longpoll.exchange import BodyTooLong, ClientGone
from ..transports.routes import relative_path
from ..user_code.invalid_payload import explain
from .api import Api
from .keys import APIKeys, key_of
from .openapi import OPERATIONS, APIOperation, openapi
from .operations import APIOperations
from .query import read_query
from .refusal import APIRefusal, invalid
from .types import (
    APIError,
    APIMistake,
    DisconnectRequest,
    PublishManyRequest,
    PublishRequest,
)

__all__ = ["APIServer"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

DOCUMENT: Final = "/openapi.json"
RETRY_AFTER: Final = 1
"""Seconds of ``Retry-After``, if the server can't know when there will be room."""

Header = tuple[bytes, bytes]


class APIServer:
    """The HTTP API of one endpoint.

    Args:
        options: The options; None for an endpoint without the API.
        server: The endpoint's server.
        presences: The endpoint's presences.
    """

    def __init__(self, options: Api | None, server: Server, presences: Sequence[Presence]) -> None:
        self._paths: dict[str, APIOperation | None] = {}
        if options is None:
            return
        self._paths = {options.path + one.path: one for one in OPERATIONS}
        self._paths[options.path + DOCUMENT] = None
        self.options = options
        self._server = server
        self.log: Log = server.telemetry.log.child("api")
        self._operations = APIOperations(options, server, presences)
        self._keys = APIKeys(options.keys)
        self._rates = Buckets(options.rate)
        self._wrong_keys = Buckets(options.wrong_keys)
        self._decoders = {
            one.request: msgspec.json.Decoder(one.request)
            for one in OPERATIONS
            if one.request is not None
        }
        self._under_way = 0
        self._version = version("bennu")

    def answers(self, scope: MutableMapping[str, Any]) -> bool:
        """Return whether a request is for a path of the API."""
        return bool(self._paths) and scope["type"] == "http" and relative_path(scope) in self._paths

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        *,
        denied: Denied | None,
    ) -> None:
        """Answer a request.

        Args:
            scope: The request, with the values of trusted proxies.
            receive: The ASGI callable.
            send: The ASGI callable.
            denied: The answer if its host is not served; None if it is.
        """
        exchange = Exchange(scope, receive, send)
        operation = self._paths[relative_path(scope)]
        allowed = ("GET", "HEAD") if operation is None or operation.method == "GET" else ("POST",)
        allow = (b"allow", ", ".join((*allowed, "OPTIONS")).encode())
        answer = _Answer(send, has_body=exchange.method != "HEAD")
        try:
            _expect_host(denied)
            if exchange.method == "OPTIONS":
                await answer.empty(allow)
            else:
                _expect_method(exchange, allowed)
                await answer.json(await self._answer_of(operation, exchange))
        except ClientGone:
            await answer.empty()  # without an answer, middleware raises an error
        except APIRefusal as refusal:
            is_method = refusal.reason is APIReason.METHOD_NOT_ALLOWED
            await answer.refuse(refusal, (allow,) if is_method else ())
        except Exception:
            self.log.exception("The API failed at %s", scope["path"])
            await answer.refuse(APIRefusal(APIReason.INTERNAL_ERROR))

    async def _answer_of(self, operation: APIOperation | None, exchange: Exchange) -> Any:
        """Return the answer of an operation, or the document.

        Raises:
            APIRefusal: The request is refused.
            ClientGone: The client went away.
        """
        if operation is None:
            root: str = exchange.scope.get("root_path", "")
            return openapi(root.rstrip("/") + self.options.path, self._version)
        return await self._perform(operation, self._caller(exchange), exchange)

    # Who asks, and how often.

    def _caller(self, exchange: Exchange) -> str:
        """Return the name of the key of a request.

        Raises:
            APIRefusal: There is no key, or it is wrong.
        """
        key = key_of(exchange.headers)
        if key is None:
            raise APIRefusal(APIReason.KEY_MISSING)
        name = self._keys.name_of(key)
        if name is not None:
            return name
        peer = _peer(exchange)
        now = time.monotonic()
        wait = self._wrong_keys.of(network_of(peer) or "", now).take(now)
        if wait:
            self._server.telemetry.limit_exceeded(Limit.API_WRONG_KEYS, peer)
            raise APIRefusal(APIReason.WRONG_KEYS, retry_after=math.ceil(wait))
        self.log.warning(
            "Refused a request to %s from %s: its key is wrong", exchange.scope["path"], peer
        )
        raise APIRefusal(APIReason.KEY_WRONG)

    def _draw(self, name: str, count: int, exchange: Exchange) -> None:
        """Count messages against the rate of a key.

        A request needs one token. It takes one for each of its messages, and the next requests wait until none is owed.

        Raises:
            APIRefusal: There is no token.
        """
        now = time.monotonic()
        bucket = self._rates.of(name, now)
        wait = bucket.take(now)
        if wait:
            self._server.telemetry.limit_exceeded(Limit.API_RATE, _peer(exchange))
            raise APIRefusal(APIReason.RATE_LIMITED, retry_after=math.ceil(wait))
        if count > 1:
            bucket.draw(now, count - 1)

    # The operations.

    async def _perform(self, operation: APIOperation, name: str, exchange: Exchange) -> Any:
        """Return the answer of an operation.

        Raises:
            APIRefusal: The request is refused.
            ClientGone: The client went away.
        """
        if self._under_way >= self.options.max_requests:
            self._server.telemetry.limit_exceeded(Limit.API_REQUESTS, _peer(exchange))
            raise APIRefusal(APIReason.TOO_BUSY, retry_after=RETRY_AFTER)
        self._under_way += 1
        try:
            if operation.request is None:
                return await self._ask(
                    operation, read_query(exchange.scope.get("query_string", b""), operation)
                )
            request = self._decode(operation.request, await self._body(exchange))
            tracer = self._server.tracer
            with nullcontext() if tracer is None else tracer.requested(exchange.scope["headers"]):
                return await self._change(request, name, exchange)
        finally:
            self._under_way -= 1

    async def _ask(self, operation: APIOperation, query: dict[str, list[str]]) -> Any:
        match operation.name:
            case "presences":
                [topic] = query["topic"]
                return await self._operations.presences(topic, query.get("presence", [None])[0])
            case "accounts":
                return self._operations.accounts(query.get("topic", [None])[0])
            case "history":
                return await self._operations.history(query)
            case "subscribers":
                return self._operations.subscribers(query["topic"])
            case _:
                return self._operations.nodes()

    async def _change(self, request: Any, name: str, exchange: Exchange) -> Any:
        operations = self._operations
        match request:
            case PublishRequest():
                self._draw(name, 1, exchange)
                result: Any = await operations.publish(request)
                self.log.info("The API key %s published to %s", name, request.topic)
            case PublishManyRequest():
                count, most = len(request.messages), self.options.max_messages
                if count > most:
                    raise invalid("messages", f"Expected at most {most} messages, got {count}")
                self._draw(name, count, exchange)
                result = await operations.publish_many(request)
                self.log.info("The API key %s published %d messages", name, count)
            case _:
                assert isinstance(request, DisconnectRequest)  # noqa: S101 - the last of three types
                self._draw(name, 1, exchange)
                result = await operations.disconnect(request)
                self.log.info("The API key %s disconnected %s", name, request.id)
        return result

    # Bodies.

    async def _body(self, exchange: Exchange) -> bytes:
        """Return the body of a request.

        Raises:
            APIRefusal: The body is too slow or too long, or is said to be no JSON.
            ClientGone: The client went away.
        """
        kind, _, parameters = exchange.header(b"content-type").lower().partition(";")
        charset = parameters.replace(" ", "").replace('"', "")
        if kind.strip() != "application/json" or charset not in ("", "charset=utf-8"):
            raise APIRefusal(APIReason.WRONG_CONTENT_TYPE)
        if exchange.header(b"content-encoding").lower() not in ("", "identity"):
            raise APIRefusal(APIReason.WRONG_CONTENT_TYPE, "a compressed body is not accepted")
        options = self.options
        try:
            async with asyncio.timeout(options.body_timeout):
                return await exchange.body(options.max_body, _ignore)
        except BodyTooLong:
            raise APIRefusal(
                APIReason.BODY_TOO_LONG, f"a body has at most {options.max_body} bytes"
            ) from None
        except TimeoutError:
            self._server.telemetry.limit_exceeded(Limit.BODY_TIME, _peer(exchange))
            raise APIRefusal(
                APIReason.BODY_TOO_SLOW,
                f"a body must come within {options.body_timeout:g} seconds",
            ) from None

    def _decode(self, kind: type[msgspec.Struct], body: bytes) -> Any:
        """Return a request.

        Raises:
            APIRefusal: The body is no JSON, or does not fit the type.
        """
        try:
            body.decode()
            check_nesting(body)
            check_values(body, self.options.max_values)
            return self._decoders[kind].decode(body)
        except msgspec.ValidationError as error:
            [mistake] = explain(error, body).errors
            raise invalid(mistake["path"], mistake["message"]) from None
        except (DecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
            text = str(error) if isinstance(error, DecodeError) else APIReason.INVALID_JSON.meaning
            raise APIRefusal(APIReason.INVALID_JSON, text) from None


class _Answer:
    """The answer to one request.

    Args:
        send: The ASGI callable.
        has_body: Whether the body is sent: not to a HEAD.
    """

    def __init__(self, send: Send, *, has_body: bool) -> None:
        self._send = send
        self._has_body = has_body

    async def json(self, value: Any) -> None:
        """Answer with JSON and the status 200."""
        await self._respond(200, (), msgspec.json.encode(value))

    async def empty(self, *headers: Header) -> None:
        """Answer with the status 204."""
        await self._respond(204, headers, b"")

    async def refuse(self, refusal: APIRefusal, headers: Iterable[Header] = ()) -> None:
        """Answer with a reason, and close the connection, because a part of the body can be unread."""
        more = [(b"connection", b"close"), *headers]
        if refusal.reason.status == 401:
            more.append((b"www-authenticate", b"Bearer"))
        if refusal.retry_after is not None:
            more.append((b"retry-after", str(refusal.retry_after).encode()))
        errors = [APIMistake(**one) for one in refusal.errors]
        error = APIError(refusal.reason.text, refusal.message, errors or UNSET)
        await self._respond(refusal.reason.status, more, msgspec.json.encode(error))

    async def _respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        known = [(b"cache-control", b"no-store"), *headers]
        if body:
            known += [
                (b"content-type", b"application/json"),
                (b"x-content-type-options", b"nosniff"),
                (b"content-length", str(len(body)).encode()),
            ]
        try:
            await self._send({"type": "http.response.start", "status": status, "headers": known})
            await self._send(
                {"type": "http.response.body", "body": body if self._has_body else b""}
            )
        except OSError:
            pass  # the client went away during the answer; the error depends on the server


def _expect_host(denied: Denied | None) -> None:
    if denied is not None:
        is_foreign = denied.status == APIReason.FORBIDDEN_HOST.status
        raise APIRefusal(APIReason.FORBIDDEN_HOST if is_foreign else APIReason.MALFORMED_HOST)


def _expect_method(exchange: Exchange, allowed: Sequence[str]) -> None:
    if exchange.method not in allowed:
        raise APIRefusal(APIReason.METHOD_NOT_ALLOWED)


def _peer(exchange: Exchange) -> str | None:
    return ConnectInfo(exchange.scope, transport="longpoll").peer.host


def _ignore(size: int) -> None:
    """Do nothing: bodies are bounded by their number."""
