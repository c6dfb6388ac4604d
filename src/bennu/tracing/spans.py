"""Makes spans with OpenTelemetry, and keeps the current one.

Theory of operation
-------------------
OpenTelemetry keeps the current span in a context variable. A span of a handler is current while the handler runs, so spans of
the user's code and of its libraries become its children. Worker threads and tasks that a handler starts inherit the variable.

Tasks of Bennu that a handler happens to start inherit it too: the end of a turn, or the queue of a bus. What they send belongs to
others. So a fan-out takes the current span for its parent only within a :class:`Passing`, which is open while one broadcast is
passed on, and names its topic and event.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from opentelemetry import context as contexts, trace
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)

from ..protocol.trace_context import TraceParent
from ..telemetry import BroadcastFannedOut
from .carried import Carried
from .crashes import note_end
from .descriptions import Description, describe, shown

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .options import Operation, Tracing

__all__ = [
    "CONNECTED",
    "Passing",
    "Spans",
    "below",
    "carried_of",
    "span_context_of",
]

CONNECTED: Final[ContextVar[SpanContext | None]] = ContextVar("bennu.connected", default=None)
"""The span of the connect, in the context of a connection: joins are its children."""

_KINDS: Final[Mapping[Operation, SpanKind]] = {
    "connect": SpanKind.SERVER,
    "join": SpanKind.SERVER,
    "after_join": SpanKind.INTERNAL,
    "handle": SpanKind.CONSUMER,
    "on_info": SpanKind.CONSUMER,
    "terminate": SpanKind.INTERNAL,
    "broadcast": SpanKind.PRODUCER,
    "fan_out": SpanKind.CONSUMER,
    "on_out": SpanKind.CONSUMER,
}


class Passing:
    """One broadcast that is being passed on.

    Attributes:
        topic: The topic.
        event: The event; None for any.
        is_open: Whether it is being passed on still.
        draft: The id of its draft in the log of its topic; None for a topic without history.
    """

    __slots__ = ("draft", "event", "is_open", "topic")

    def __init__(self, topic: str, event: str | None) -> None:
        self.topic = topic
        self.event = event
        self.is_open = True
        self.draft: str | None = None


_PASSING: Final[ContextVar[Passing | None]] = ContextVar("bennu.passing", default=None)


class Spans:
    """The spans of one endpoint.

    Args:
        options: The options.

    Attributes:
        options: As given.
        node: The name of this node, for attributes.
    """

    def __init__(self, options: Tracing) -> None:
        self.options = options
        self.node = ""
        self._drafted: dict[str, tuple[Passing, Context]] = {}
        self._tracer = trace.get_tracer("bennu", version("bennu"), options.tracer_provider)

    # Parents.

    def of_client(
        self, carried: Carried | None, otherwise: SpanContext | None
    ) -> tuple[SpanContext | None, Collection[Link]]:
        """Return the parent and the links of a span that a client has caused.

        Args:
            carried: The context that the client has sent.
            otherwise: The parent if the client's context is not it.
        """
        if carried is None or self.options.client_context == "ignore":
            return otherwise, ()
        context = span_context_of(carried)
        if self.options.client_context == "parent":
            return context, ()
        return otherwise, (Link(context),)

    # Spans.

    def wants(self, operation: Operation) -> bool:
        """Return whether an operation has spans."""
        return operation in self.options.operations

    def begin(
        self,
        operation: Operation,
        description: Description,
        context: Context | None,
        links: Collection[Link] = (),
        start_time: int | None = None,
    ) -> Span:
        """Begin a span.

        Args:
            operation: The operation.
            description: Its name, and its first attributes.
            context: Its parent (:func:`below`). None is the current span.
            links: The links.
            start_time: When it began, in nanoseconds since 1970. Default: None, now.
        """
        name, attributes = description
        kind = _KINDS[operation]
        return self._tracer.start_span(name, context, kind, attributes, tuple(links), start_time)

    def running(
        self,
        operation: Operation,
        description: Description,
        context: Context | None,
        links: Collection[Link] = (),
    ) -> SpanScope:
        """Run a block of code in a span. If the operation has no spans, the parent is the current span.

        Args:
            operation: The operation.
            description: Its name, and its first attributes.
            context: Its parent (:func:`below`). None is the current span.
            links: The links.
        """
        if operation in self.options.operations:
            span = self.begin(operation, description, context, links)
        else:
            span = NonRecordingSpan(get_current_span(context).get_span_context())
        return SpanScope(span, context)

    @contextmanager
    def broadcasting(self, topic: str, event: str, template: str | None) -> Generator[None]:
        """Run a broadcast of this node. Its span is a child of the current one.

        Args:
            topic: The topic.
            event: The event.
            template: The pattern of the topic; None if there is none.
        """
        with self.running("broadcast", describe("broadcast", template), None) as span:
            if span.is_recording():
                self._describe_message(span, topic, event)
            passing = Passing(topic, event)
            token = _PASSING.set(passing)
            try:
                yield
            finally:
                passing.is_open = False
                _PASSING.reset(token)
                if passing.draft is not None:
                    self._drafted.pop(passing.draft, None)

    def drafted(self, draft: str) -> None:
        """Note that the broadcast that is being passed on goes into the log of its topic first.

        Args:
            draft: The id of its draft.
        """
        passing = _passing()
        if passing is not None:
            passing.draft = draft
            self._drafted[draft] = passing, contexts.get_current()

    @contextmanager
    def passing_entry(self, draft: str) -> Generator[None]:
        """Run what passes on an entry of a log.

        Tasks append the entries of several broadcasts, so what they inherit is not the context of this entry.

        Args:
            draft: The id of the draft that has become the entry.
        """
        passing, context = self._drafted.get(draft, (None, below(None)))
        with _within(passing, context):
            yield

    @contextmanager
    def receiving(self, topic: str, carried: Carried | None) -> Generator[None]:
        """Run what passes on a broadcast of another node.

        Args:
            topic: The topic.
            carried: The context that came with it; None for none.
        """
        passing = Passing(topic, None)
        try:
            with _within(passing, below(None if carried is None else span_context_of(carried))):
                yield
        finally:
            passing.is_open = False

    def fanned_out(self, event: BroadcastFannedOut, template: str | None) -> None:
        """Make the span of a fan-out that has just ended, if it is one of the broadcast that is being passed on.

        Args:
            event: What telemetry says of the fan-out.
            template: The pattern of the topic; None if there is none.
        """
        passing = _passing()
        if passing is None or passing.topic != event.topic:
            return
        if passing.event is not None and passing.event != event.event:
            return
        end = time.time_ns()
        start = end - int(event.duration * 1e9)
        span = self.begin("fan_out", describe("fan_out", template), None, start_time=start)
        if span.is_recording():
            self._describe_message(span, event.topic, event.event)
            span.set_attributes(
                {
                    "bennu.due": event.due,
                    "bennu.delivered": event.delivered,
                    "bennu.lanes": event.lanes,
                }
            )
        span.end(end)

    def carried(self) -> Carried | None:
        """Return the context that travels with what is published now; None if no broadcast is being passed on."""
        return None if _passing() is None else carried_of(get_current_span().get_span_context())

    def _describe_message(self, span: Span, topic: str, event: str) -> None:
        span.set_attributes(
            {
                "messaging.destination.name": shown(topic),
                "bennu.event": shown(event),
                "bennu.node": self.node,
            }
        )


class SpanScope:
    """A block of code in a span, which is the current one.

    Args:
        span: The span.
        context: The context of its parent; None is the current one.
    """

    __slots__ = ("_context", "_span", "_token")

    def __init__(self, span: Span, context: Context | None) -> None:
        self._span = span
        self._context = context
        self._token: Token[Context] | None = None

    def __enter__(self) -> Span:
        self._token = contexts.attach(set_span_in_context(self._span, self._context))
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        span = self._span
        if isinstance(error, GeneratorExit):  # this runs in the context of what kills the task
            span.set_status(StatusCode.ERROR, "killed")
            span.set_attribute("bennu.outcome", "killed")
        else:
            if error is not None:
                note_end(span, error)
            if self._token is not None:
                contexts.detach(self._token)
        span.end()


@contextmanager
def _within(passing: Passing | None, context: Context) -> Generator[None]:
    """Run a block of code while a broadcast is passed on, below a span."""
    token, attached = _PASSING.set(passing), contexts.attach(context)
    try:
        yield
    finally:
        contexts.detach(attached)
        _PASSING.reset(token)


def _passing() -> Passing | None:
    """Return the broadcast that is being passed on; None if there is none."""
    passing = _PASSING.get()
    return passing if passing is not None and passing.is_open else None


def below(parent: SpanContext | None) -> Context:
    """Return the context of a span with this parent; None begins a trace."""
    if parent is None and not contexts.get_current():
        return _NOTHING
    return set_span_in_context(INVALID_SPAN if parent is None else NonRecordingSpan(parent))


_NOTHING: Final = set_span_in_context(INVALID_SPAN, contexts.Context())


def span_context_of(carried: Carried) -> SpanContext:
    """Return a context that came from elsewhere, as OpenTelemetry has it."""
    (trace_id, parent_id, is_sampled), state = carried
    return SpanContext(
        int(trace_id, 16),
        int(parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([state]) if state else None,
    )


def carried_of(context: SpanContext) -> Carried | None:
    """Return the context of a span, as it travels; None if it is not valid."""
    if not context.is_valid:
        return None
    parent = TraceParent(
        format_trace_id(context.trace_id),
        format_span_id(context.span_id),
        context.trace_flags.sampled,
    )
    return Carried(parent, context.trace_state.to_header() if context.trace_state else "")
