"""The requests of clients that poll, and their answers. Protocol document, §4.

An answer for stock clients has the HTTP status 200, and its real status in the body, since they read only the body.
Another HTTP status (a body that is too long, a crash, no room) makes a stock client connect again after a delay.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from ...connect_info import ConnectInfo
from ...errors import DecodeError
from ...limits.connections import network_of
from ...longpoll import LongPoll
from ...protocol.longpoll import Status, answer_poll, answer_status, split_body
from ...protocol.query import MAX_QUERY, decode_query
from ...reasons import Limit
from ...secret_key import Secret
from ...server.handshake import shake_hands
from ...server.request import ConnectRequest, Denied, Target, origin_fits
from ...server.server import Server
from .bodies import Bodies, NoRoom
from .exchange import BodyTooLong, ClientGone, Exchange
from .polls import Polls
from .remote import Correspondence
from .route import LocalSession, RemoteSession, Route
from .session import Session
from .tokens import SessionName, SessionTokens

__all__ = ["LongPolling"]


TOPIC: Final = "phx:lp:"

RETRY_AFTER: Final = 5
"""Seconds of ``Retry-After``, if the server can't know when there will be room."""

RETRIED: Final = frozenset(
    (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_URI_TOO_LONG, HTTPStatus.TOO_MANY_REQUESTS)
)
"""Refusals of a connect that do not depend on the client: they stay HTTP statuses."""


class LongPolling:
    """The long polling of an endpoint.

    Args:
        server: The endpoint's server.
        secret: Signs the tokens of sessions; None makes a random secret, which no other process knows.
    """

    def __init__(self, server: Server, secret: Secret | None) -> None:
        self._server = server
        self._tokens = SessionTokens(secret)
        self._sessions: dict[str, Session] = {}
        self._counts: Counter[Any] = Counter()
        self._letters = Correspondence(server.pubsub, self._sessions)
        self._bodies = Bodies()
        self._polls = Polls()

    def start(self) -> None:
        """Answer other nodes."""
        self._letters.start()

    def abandon(self) -> None:
        """Forget all sessions, because their event loop was closed without a stop, or belongs to the parent process."""
        self._sessions.clear()
        self._counts.clear()

    async def serve(self, target: Target, options: LongPoll, exchange: Exchange) -> None:
        """Answer one request.

        Args:
            target: The socket of the request's path.
            options: The socket's options of long polling.
            exchange: The request.
        """
        try:
            if not await origin_fits(self._server.log, target, exchange.scope, exchange.headers):
                await exchange.answer(answer_status(Status.FORBIDDEN))
            elif exchange.method == "GET":
                await self._get(target, options, exchange)
            elif exchange.method == "POST":
                await self._post(target, options, exchange)
            elif exchange.method == "OPTIONS":
                await exchange.answer_preflight()
            else:
                await exchange.refuse(HTTPStatus.BAD_REQUEST)
        except ClientGone:
            await exchange.answer_gone_client()
        except BodyTooLong as error:
            await exchange.refuse(HTTPStatus.BAD_REQUEST, str(error))
        except DecodeError as error:
            await exchange.refuse(HTTPStatus.BAD_REQUEST, str(error))

    # Polls.

    async def _get(self, target: Target, options: LongPoll, exchange: Exchange) -> None:
        token = self._token(exchange)
        route = self._route(target, options, token)
        answer: bytes | None = None
        if route is not None and token is not None:
            try:
                answer = await self._poll(route, options, exchange, token)
            finally:
                await route.close()
        if answer is None:
            await self._open(target, options, exchange)
        else:
            await exchange.answer(answer)

    async def _poll(
        self, route: Route, options: LongPoll, exchange: Exchange, token: str
    ) -> bytes | None:
        """Return the answer to a poll after at most one window; None if there is no session."""
        messages = await route.take()
        if messages is None:
            return None
        if messages:
            return answer_poll(Status.OK, token, messages)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + options.window
        with self._polls.wait(route.topic, options.max_polls) as replaced:
            async with exchange.watched() as gone:
                while True:
                    await asyncio.wait(
                        (gone, replaced, route.news),
                        timeout=deadline - loop.time(),
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    if gone.done():
                        raise ClientGone
                    if not route.news.done():
                        return answer_poll(Status.NOTHING, token)
                    messages = await route.take()
                    if messages is None:
                        # With GONE, clients of Phoenix 1.7 would assume a new session, and would not join again.
                        return answer_status(Status.ENDED)
                    if messages:
                        return answer_poll(Status.OK, token, messages)

    async def _open(self, target: Target, options: LongPoll, exchange: Exchange) -> None:
        """Begin a session, for a poll without one."""
        peer = ConnectInfo(exchange.scope, transport="longpoll").peer.host
        keys = _keys(target, peer)
        refusal = self._refuse_session(options, keys, peer)
        if refusal is not None:
            await exchange.refuse(refusal, retry_after=RETRY_AFTER)
            return
        self._counts.update(keys)
        try:
            async with exchange.while_connected():
                request = ConnectRequest(target, exchange.scope, "longpoll")
                outcome = await shake_hands(self._server, request)
        except BaseException:
            self._leave(keys)
            raise
        if isinstance(outcome, Denied):
            self._leave(keys)
            await self._deny(exchange, outcome)
            return
        topic = f"{TOPIC}{b64encode(secrets.token_bytes(16)).decode()}{time.time_ns() // 1_000_000}"
        session = Session(self._server, options, partial(self._ended, keys, topic))
        self._sessions[topic] = session
        session.begin(outcome)
        name = SessionName(topic, target.mount, self._server.pubsub.node)
        token = self._tokens.make(name, options.max_age)
        await exchange.answer(answer_poll(Status.GONE, token))

    def _refuse_session(
        self, options: LongPoll, keys: Sequence[Any], peer: str | None
    ) -> HTTPStatus | None:
        """Return the status for a client that has too many sessions, or None."""
        limit, status = Limit.SESSIONS, HTTPStatus.SERVICE_UNAVAILABLE
        bounds = (options.max_sessions, options.max_sessions_per_ip)
        for key, bound in zip(keys, bounds, strict=False):
            if bound is not None and self._counts[key] >= bound:
                self._server.telemetry.limit_exceeded(limit, peer)
                return status
            limit, status = Limit.SESSIONS_PER_IP, HTTPStatus.TOO_MANY_REQUESTS
        return None

    def _leave(self, keys: Sequence[Any]) -> None:
        """Remove a session from the counts."""
        for key in keys:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]

    def _ended(self, keys: Sequence[Any], topic: str) -> None:
        del self._sessions[topic]
        self._leave(keys)
        self._bodies.end(topic)

    @staticmethod
    async def _deny(exchange: Exchange, denied: Denied) -> None:
        if denied.status >= HTTPStatus.INTERNAL_SERVER_ERROR or denied.status in RETRIED:
            text = denied.body.decode(errors="replace")
            await exchange.refuse(denied.status, text, retry_after=denied.retry_after)
        else:
            await exchange.answer(answer_status(Status.FORBIDDEN))

    # Posts.

    async def _post(self, target: Target, options: LongPoll, exchange: Exchange) -> None:
        route = self._route(target, options, self._token(exchange))
        if route is None:
            await exchange.answer(answer_status(Status.GONE))
            return
        try:
            status = await self._post_to(route, target, options, exchange)
        finally:
            await route.close()
        if status is not None:
            await exchange.answer(answer_status(status))

    async def _post_to(
        self, route: Route, target: Target, options: LongPoll, exchange: Exchange
    ) -> Status | None:
        """Read a body and handle its messages. Return None if the request was answered with an HTTP status."""
        peer = ConnectInfo(exchange.scope, transport="longpoll").peer.host
        if route.is_busy or self._bodies.is_full(options, route.topic):
            return Status.TIMEOUT
        try:
            with self._bodies.enter(options, route.topic, network_of(peer), target.socket) as body:
                try:
                    async with asyncio.timeout(options.body_timeout) as body.limit:
                        content = await exchange.body(options.max_body, body.grow)
                except TimeoutError:
                    if body.is_over:
                        return Status.GONE
                    self._server.telemetry.limit_exceeded(Limit.BODY_TIME, peer)
                    text = f"the body of a POST must come within {options.body_timeout:g} seconds"
                    await exchange.refuse(HTTPStatus.REQUEST_TIMEOUT, text)
                    return None
                body.limit = None
                messages = split_body(exchange.header(b"content-type"), content)
                del content
                return await route.post(messages)
        except NoRoom:
            self._server.telemetry.limit_exceeded(Limit.BODIES, peer)
            await exchange.refuse(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=RETRY_AFTER)
            return None

    # Tokens.

    @staticmethod
    def _token(exchange: Exchange) -> str | None:
        """Return the token of a request, from the header or the query. The header wins."""
        header = exchange.headers.get(b"x-phoenix-longpoll-token")
        if header is not None:
            return header.decode("latin-1")
        query: bytes = exchange.scope.get("query_string", b"")
        if len(query) > MAX_QUERY:
            return None
        token = decode_query(query).get("token")
        return token if isinstance(token, str) else None

    def _route(self, target: Target, options: LongPoll, token: str | None) -> Route | None:
        """Return the route to the session that a token names; None without a valid token or a session."""
        name = self._tokens.read(token)
        if name is None or name.mount != target.mount:
            return None
        topic = name.topic
        session = self._sessions.get(topic)
        if session is not None:
            return LocalSession(session, topic)
        return RemoteSession(self._letters, name, options) if self._letters.reaches(name) else None


def _keys(target: Target, peer: str | None) -> tuple[Any, ...]:
    """Return the keys under which a session is counted: its socket, and its address, if that is known."""
    network = network_of(peer)
    return (target.socket,) if network is None else (target.socket, (target.socket, network))
