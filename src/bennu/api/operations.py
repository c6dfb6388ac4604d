"""What the HTTP API does: publish, disconnect, and answer questions.

A payload is not decoded and encoded again: its JSON is checked, and clients get the same bytes. So numbers of any length
stay exact. In this process a message takes the way of a message from another node, so handlers see no difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..errors import DecodeError, EncodeError, ReservedEvent, StoreUnavailable
from ..history.page import time_of
from ..history.position import Position
from ..history.reader import DEFAULT_LIMIT
from ..history.reading import MAX_LIMIT
from ..message import Broadcast, expect_event
from ..presence import Presence
from ..pubsub.envelope import IDS, TOPICS, Envelope, EnvelopeKind, pack
from ..reasons import APIReason
from ..server.server import Server
from .api import Api
from .refusal import APIRefusal, invalid
from .types import (
    APIAccounts,
    APIEntry,
    APIHistory,
    APIMessage,
    APINodes,
    APIPosition,
    APIPresences,
    APIResult,
    APIResults,
    APISubscribers,
    DisconnectRequest,
    PublishManyRequest,
    PublishRequest,
)

__all__ = ["APIOperations"]

EMPTY: Final = b"{}"

RETRY_AFTER: Final = 1
"""Seconds of ``Retry-After`` if the bus or the store is down."""

REASONS: Final = {one.text: one for one in APIReason}

_decode = msgspec.json.Decoder().decode


class APIOperations:
    """The operations of one endpoint.

    Args:
        options: The options of the API.
        server: The endpoint's server.
        presences: The endpoint's presences.
    """

    def __init__(self, options: Api, server: Server, presences: Sequence[Presence]) -> None:
        self._options = options
        self._server = server
        self._presences = {presence.name: presence for presence in presences}

    async def publish(self, request: PublishRequest) -> APIResult:
        """Publish one message.

        Raises:
            APIRefusal: The message can't be published, or the bus or the store has not confirmed it.
        """
        self._expect_bus()
        envelope = _envelope(request, "")
        result = await self._publish(request.topic, envelope)
        if not isinstance(result.reason, UnsetType):
            reason = REASONS[result.reason]
            retry_after = RETRY_AFTER if reason is APIReason.STORE_UNAVAILABLE else None
            raise APIRefusal(reason, str(result.message), retry_after=retry_after)
        if isinstance(result.position, UnsetType):  # an entry of a log is confirmed by its position
            await self._confirm(wanted=request.confirm)
        return result

    async def publish_many(self, request: PublishManyRequest) -> APIResults:
        """Publish messages in their order. A payload that is no JSON object refuses all of them.

        Raises:
            APIRefusal: A message has a mistake, or the bus has not confirmed the messages.
        """
        self._expect_bus()
        messages = [
            (message.topic, _envelope(message, f"messages[{number}]."))
            for number, message in enumerate(request.messages)
        ]
        results = [await self._publish(topic, envelope) for topic, envelope in messages]
        await self._confirm(wanted=request.confirm)
        return APIResults(results)

    async def disconnect(self, request: DisconnectRequest) -> APIResult:
        """Close all connections that have an id.

        Raises:
            APIRefusal: The bus has not confirmed it.
        """
        self._expect_bus()
        pubsub = self._server.pubsub
        envelope = Envelope(EnvelopeKind.DISCONNECT, request.id, b"")
        pubsub.receive(None, envelope)
        others: int | None = 0
        if pubsub.cluster is not None:
            others = await pubsub.cluster.publish(IDS, pack(*envelope))
            await self._confirm(wanted=request.confirm)
        return APIResult(None if others is None else 1 + others)

    async def presences(self, topic: str, name: str | None) -> APIPresences:
        """Return who is in a topic.

        Args:
            topic: The topic.
            name: The name of the presence; None if the endpoint has only one.

        Raises:
            APIRefusal: The endpoint has no such presence.
        """
        found = self._presences.get(name) if name is not None else self._only_presence()
        if found is None:
            names = ", ".join(map(repr, sorted(self._presences))) or "none"
            raise APIRefusal(
                APIReason.UNKNOWN_PRESENCE, f"the presences of this endpoint are: {names}"
            )
        return APIPresences(topic, await found.list(topic))

    async def history(self, query: Mapping[str, Sequence[str]]) -> APIHistory:
        """Return a part of the history of a topic.

        Args:
            query: The fields of the query: ``topic``, and perhaps ``since``, ``before`` and ``limit``.

        Raises:
            APIRefusal: A field has a mistake, the topic has no history, or the store does not answer.
        """
        [topic] = query["topic"]
        since, before = _position("since", query), _position("before", query)
        [limit] = query.get("limit", [str(DEFAULT_LIMIT)])
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= MAX_LIMIT):
            raise invalid("limit", f"Expected a whole number from 1 to {MAX_LIMIT}")
        reader = self._server.reader
        if not reader.has_history(topic):
            raise APIRefusal(APIReason.NO_HISTORY)
        try:
            past = await reader.entries("history", topic, since, before, int(limit))
        except StoreUnavailable as error:
            raise APIRefusal(
                APIReason.STORE_UNAVAILABLE, str(error), retry_after=RETRY_AFTER
            ) from None
        epoch = past.newest.epoch
        entries = [
            APIEntry(APIPosition(epoch, one.offset), one.event, Raw(one.payload), time_of(one))
            for one in past.entries
        ]
        missed = None if past.missed is None else past.missed.text
        return APIHistory(topic, entries, APIPosition(*past.newest), missed)

    def subscribers(self, topics: Sequence[str]) -> APISubscribers:
        """Return how many subscribers topics have in this process."""
        pubsub = self._server.pubsub
        return APISubscribers(pubsub.node, {topic: pubsub.subscribers(topic) for topic in topics})

    def accounts(self, topic: str | None) -> APIAccounts:
        """Return what became of the messages of topics on this node; None is all topics."""
        pubsub = self._server.pubsub
        return APIAccounts(pubsub.node, pubsub.telemetry.accounts.all(topic))

    def nodes(self) -> APINodes:
        """Return the nodes that serve clients."""
        pubsub = self._server.pubsub
        return APINodes(pubsub.node, sorted(pubsub.nodes()))

    def _only_presence(self) -> Presence | None:
        presences = [*self._presences.values()]
        return presences[0] if len(presences) == 1 else None

    async def _publish(self, topic: str, envelope: Envelope) -> APIResult:
        """Publish a message, and say what became of it."""
        pubsub = self._server.pubsub
        cluster, logs = pubsub.cluster, pubsub.logs
        history = None if logs is None else logs.history_of(topic, envelope.name)
        try:
            expect_event(envelope.name)
            with pubsub.broadcasting(topic, envelope.name):
                if logs is not None and history is not None:
                    position = await logs.publish(history, _broadcast(topic, envelope))
                    return APIResult(position=APIPosition(*position))
                data = pack(*envelope)
                pubsub.receive(topic, envelope)
                count = int(pubsub.subscribers(topic) > 0)
                if cluster is None:
                    await asyncio.sleep(0)  # other tasks run between the messages of one request
                    return APIResult(count)
                others = await cluster.publish(TOPICS + topic, data)
        except ReservedEvent:
            text = APIReason.RESERVED_EVENT.meaning
            return APIResult(UNSET, APIReason.RESERVED_EVENT.text, text)
        except EncodeError as error:
            return APIResult(UNSET, APIReason.UNENCODABLE.text, str(error))
        except StoreUnavailable as error:
            return APIResult(UNSET, APIReason.STORE_UNAVAILABLE.text, str(error))
        return APIResult(None if others is None else count + others)

    def _expect_bus(self) -> None:
        """Refuse to publish on a node that does not hear the bus: half of the clients would miss the message."""
        cluster = self._server.pubsub.cluster
        if cluster is not None and not cluster.watch.is_up:
            raise APIRefusal(APIReason.CUT_OFF, retry_after=RETRY_AFTER)

    async def _confirm(self, *, wanted: bool) -> None:
        cluster = self._server.pubsub.cluster
        if cluster is None or not wanted:
            return
        try:
            async with asyncio.timeout(self._options.confirm_timeout):
                await cluster.confirm()
        except TimeoutError:
            raise APIRefusal(APIReason.NOT_CONFIRMED) from None


def _position(name: str, query: Mapping[str, Sequence[str]]) -> Position | None:
    """Return a position in a query.

    Raises:
        APIRefusal: It is no position.
    """
    [text] = query.get(name, [None])
    try:
        return None if text is None else Position.of(text)
    except DecodeError:
        raise invalid(name, "Expected a position, such as `17:k3Gx0aPq1Z`") from None


def _envelope(message: APIMessage, path: str) -> Envelope:
    """Return a message as it travels.

    Args:
        message: The message.
        path: What the path to a mistake begins with.

    Raises:
        APIRefusal: The payload is no JSON object, or there are two payloads.
    """
    payload, binary = message.payload, message.binary
    if isinstance(binary, bytes):
        if payload is not UNSET:
            raise invalid(f"{path}binary", "a message has a payload or a binary, not both")
        return Envelope(EnvelopeKind.BINARY, message.event, binary)
    content = bytes(payload) if isinstance(payload, Raw) else EMPTY
    if content[:1] != b"{":
        raise invalid(f"{path}payload", "Expected `object`")
    try:
        _decode(content)
    except (
        msgspec.DecodeError
    ):  # numbers out of range, half a character: clients could not read them
        raise invalid(f"{path}payload", "a number or a text in it can't be read") from None
    return Envelope(EnvelopeKind.JSON, message.event, content)


def _broadcast(topic: str, envelope: Envelope) -> Broadcast:
    """Return a message for the log of a topic, with its JSON unchanged."""
    kind, event, content = envelope
    return Broadcast(topic, event, content if kind is EnvelopeKind.BINARY else Raw(content))
