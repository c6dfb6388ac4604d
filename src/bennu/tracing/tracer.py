"""Traces one endpoint: what its server and its PubSub ask for."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as contexts, trace
from opentelemetry.trace import Link, Span, StatusCode, format_span_id, format_trace_id

from ..server.tracer import ServerTracer
from ..socket import Socket, SocketBase
from .carried import carried_in_headers
from .crashes import note_crash
from .descriptions import describe, shown
from .options import Tracing
from .spans import CONNECTED, Spans, below
from .traced_channel import TracedChannelServer
from .traced_pubsub import KnownTopic, TracedPubSub

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from ..bus.bus import BusAdapter
    from ..definition import ChannelDefinition
    from ..loop.home import Home
    from ..message import Message
    from ..pubsub import MessageTypes
    from ..server.channel_connection import ChannelConnection
    from ..server.request import ConnectRequest
    from ..telemetry import Telemetry

__all__ = ["EndpointTracer"]

MAX_TOPICS: Final = 4096
"""Topics whose patterns are remembered."""


class EndpointTracer(ServerTracer):
    """The spans of one endpoint.

    Args:
        options: The options.
        sockets: The sockets by their mount paths.
    """

    __slots__ = ("_spans", "_templates", "_topic_of")

    def __init__(self, options: Tracing, sockets: Mapping[str, SocketBase[Any]]) -> None:
        self._spans = Spans(options)
        channels = [one for one in sockets.values() if isinstance(one, Socket)]
        rows = [(row.pattern, row.target, one.log) for one in channels for row in one.table.rows]
        self._templates = {id(target): pattern.text for pattern, target, _ in rows}

        def topic_of(topic: str) -> KnownTopic:
            found = [(one, log) for one, _, log in rows if one.match(topic) is not None]
            if not found:
                return KnownTopic(None, is_traced=True)
            return KnownTopic(found[0][0].text, is_traced=any(log for _, log in found))

        self._topic_of = lru_cache(MAX_TOPICS)(topic_of)

    def pubsub(
        self,
        telemetry: Telemetry,
        bus: str | BusAdapter | None,
        home: Home,
        types: MessageTypes,
    ) -> TracedPubSub:
        """Return the PubSub of the endpoint; the arguments are those of :class:`~bennu.pubsub.PubSub`."""
        return TracedPubSub(self._spans, self._topic_of, telemetry, bus, home, types)

    def channel_server(
        self,
        connection: ChannelConnection,
        definition: ChannelDefinition,
        message: Message,
        parameters: dict[str, Any],
    ) -> TracedChannelServer:
        """Return a traced channel."""
        template = self._templates[id(definition)]
        return TracedChannelServer(
            self._spans, template, connection, definition, message, parameters
        )

    @contextmanager
    def connecting(self, request: ConnectRequest) -> Generator[None]:
        """Run the call of a user's ``connect`` in a span: a child of a middleware's span, or of the client's."""
        spans, info = self._spans, request.info
        description = describe("connect", request.target.mount)
        context: Context | None = None
        links: Collection[Link] = ()
        if not trace.get_current_span().get_span_context().is_valid:
            carried = carried_in_headers(info.trace_context_headers)
            parent, links = spans.of_client(carried, None)
            context = below(parent)
        with spans.running("connect", description, context, links) as span:
            span_context = span.get_span_context()
            if span_context.is_valid:
                info.trace_id = format_trace_id(span_context.trace_id)
            CONNECTED.set(span_context if span_context.is_valid else None)
            self._describe(span, request)
            yield

    @contextmanager
    def requested(self, headers: Iterable[tuple[bytes, bytes]]) -> Generator[None]:
        """Run a request to the HTTP API within the span of a middleware, or of the client."""
        if trace.get_current_span().get_span_context().is_valid:
            yield
            return
        texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        parent, _ = self._spans.of_client(carried_in_headers(texts), None)
        token = contexts.attach(below(parent))
        try:
            yield
        finally:
            contexts.detach(token)

    @staticmethod
    def _describe(span: Span, request: ConnectRequest) -> None:
        if span.is_recording():
            span.set_attributes(
                {
                    "messaging.client.id": request.info.connection_id,
                    "bennu.outcome": "connected",
                    "bennu.transport": request.transport,
                    "bennu.vsn": shown(request.params.get("vsn", "")),
                }
            )

    def refused(self, reason: str, *, is_crash: bool = False) -> None:
        """Note on the current span that a client was refused."""
        span = trace.get_current_span()
        if span.is_recording():
            outcome = "crashed" if is_crash else "refused"
            span.set_attributes({"bennu.outcome": outcome, "bennu.reason": reason})
            if is_crash:
                span.set_status(StatusCode.ERROR, reason)

    def crashed(self, error: BaseException) -> None:
        """Note on the current span that code of the user has failed."""
        note_crash(trace.get_current_span(), error)

    def ids(self) -> dict[str, str | None]:
        """Return the ids of the current trace and span, for a line of the log; empty if there is no span."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {
            "trace_id": format_trace_id(context.trace_id),
            "span_id": format_span_id(context.span_id),
        }
