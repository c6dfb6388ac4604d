"""A traced channel: a span for its join, and for each run of a handler.

A channel without tracing is a plain :class:`~bennu.server.channel_server.ChannelServer`, and none of this exists.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext

from ..message import Broadcast, Message, parts_of
from ..server.channel_server import ChannelServer
from ..server.end import End
from ..server.mailbox import Kind
from ..server.phases import Phase
from ..server.steps import Step, is_result
from ..user_code.callback import UNFINISHED
from .carried import Carried, take_context
from .descriptions import describe, shown
from .spans import CONNECTED, Spans, below

if TYPE_CHECKING:
    from ..definition import ChannelDefinition, Handler
    from ..server.channel_connection import ChannelConnection
    from .options import Operation

__all__ = ["TracedChannelServer"]


class Intercepted(NamedTuple):
    """An intercepted broadcast that waits in a mailbox.

    Attributes:
        broadcast: The broadcast.
        span: The span in which it was broadcast.
    """

    broadcast: Broadcast
    span: SpanContext


class TracedChannelServer(ChannelServer):
    """A channel whose handlers run in spans.

    Args:
        spans: Makes the spans.
        template: The pattern of the topic.
        connection: As in :class:`~bennu.server.channel_server.ChannelServer`, and so the others.
        definition: The tables of the channel's class.
        message: The client's join.
        parameters: The values of the parameters in the topic's pattern.
    """

    __slots__ = ("_joined", "_links", "_spans", "_template")

    def __init__(
        self,
        spans: Spans,
        template: str,
        connection: ChannelConnection,
        definition: ChannelDefinition,
        message: Message,
        parameters: dict[str, Any],
    ) -> None:
        super().__init__(connection, definition, message, parameters)
        self._spans = spans
        self._template = template
        self._joined: SpanContext | None = None
        self._links: Collection[Link] = ()

    def intercept(self, broadcast: Broadcast) -> None:
        """Queue a broadcast that ``@on_out`` handles, with the span in which it was broadcast."""
        span = trace.get_current_span().get_span_context()
        self.task.put_item(Kind.OUT, Intercepted(broadcast, span))

    # What the task does.

    async def _answer_join(self, message: Message) -> bool:
        """Run the join in a span."""
        message, carried = _without_context(message)
        parent, links = self._spans.of_client(carried, CONNECTED.get())
        description = describe("join", self._template)
        with self._spans.running("join", description, below(parent), links) as span:
            self._follow(span.get_span_context())
            self._describe(span, message)
            has_joined = await super()._answer_join(message)
            if span.is_recording() and has_joined:
                span.set_attribute("bennu.outcome", "joined")
        return has_joined

    def _next_step(self, item: Any) -> Step | End | None:
        """Return the next step, in a span if it runs a handler."""
        carried: Carried | None = None
        parent: SpanContext | None = None
        if item.__class__ is Message:
            item, carried = _without_context(item)
        elif item.__class__ is not End and isinstance(item[1], Intercepted):
            kind, (broadcast, parent) = item
            item = (kind, broadcast)
        step = super()._next_step(item)
        if step is None or isinstance(step, End):
            return step
        message, handler, running = step
        if message is not None:
            return message, handler, self._handle(message, handler, running, carried)
        operation: Operation = _OPERATIONS[item[0]]
        links: Collection[Link] = ()
        if operation == "after_join":
            parent = self._joined
        elif operation == "on_info":
            parent, links = self._of_server()
        return None, handler, self._run_in(operation, handler, running, parent, links)

    async def _finish(self, end: End) -> None:
        """End, with ``terminate`` in a span."""
        if self.definition.terminate is None or self.phase is Phase.REPLACED:
            await super()._finish(end)
            return
        parent, links = self._of_server()
        description = describe("terminate", self._template)
        with self._spans.running("terminate", description, below(parent), links) as span:
            self._describe(span)
            await super()._finish(end)

    async def _handle(
        self, message: Message, handler: Handler, running: Awaitable[Any], carried: Carried | None
    ) -> Any:
        """Handle a message of the client in a span."""
        otherwise, links = self._of_server()
        parent, more = self._spans.of_client(carried, otherwise)
        event = None if handler is self.definition.handle_in else message.event
        description = describe("handle", self._template, event or "handle_in")
        with self._spans.running("handle", description, below(parent), (*links, *more)) as span:
            if not span.is_recording():
                return await _result(handler, running)
            self._describe(span, message, handler)
            value = await _result(handler, running)
            status = parts_of(value)[0] if is_result(value.__class__) else "ok"
            span.set_attributes({"bennu.outcome": "handled", "bennu.status": shown(status)})
            return value

    async def _run_in(
        self,
        operation: Operation,
        handler: Handler,
        running: Awaitable[Any],
        parent: SpanContext | None,
        links: Collection[Link],
    ) -> Any:
        """Run a handler of anything else in a span."""
        description = describe(operation, self._template)
        with self._spans.running(operation, description, below(parent), links) as span:
            self._describe(span, None, handler)
            return await _result(handler, running)

    def _follow(self, joined: SpanContext) -> None:
        """Note the span of the join, which later spans link to, or continue."""
        if joined.is_valid:
            self._joined = joined
            self._links = () if self._spans.options.one_trace else (Link(joined),)

    def _of_server(self) -> tuple[SpanContext | None, Collection[Link]]:
        """Return the parent and the links of a span that nothing else has caused."""
        return self._joined if self._spans.options.one_trace else None, self._links

    def _describe(
        self, span: Span, message: Message | None = None, handler: Handler | None = None
    ) -> None:
        """Set the attributes that a sampler does not see."""
        if not span.is_recording():
            return
        span.set_attributes(
            {
                "messaging.destination.name": shown(self.topic),
                "messaging.client.id": self.connection.info.connection_id,
            }
        )
        if message is not None:
            span.set_attribute("messaging.message.body.size", memoryview(message.payload).nbytes)
            if handler is not None and handler is self.definition.handle_in:
                span.set_attribute("bennu.event", shown(message.event))
        if handler is not None:
            name = handler.function.__qualname__
            span.set_attribute("code.function.name", f"{handler.function.__module__}.{name}")


_OPERATIONS: dict[Kind, Operation] = {
    Kind.JOINED: "after_join",
    Kind.OUT: "on_out",
    Kind.ENTRY: "on_out",
    Kind.INFO: "on_info",
    Kind.HEARD: "on_info",
}


def _without_context(message: Message) -> tuple[Message, Carried | None]:
    """Return a message without the context in its payload, and the context."""
    payload, carried = take_context(message.payload)
    if payload is message.payload:
        return message, None
    join_ref, ref, topic, event = message.join_ref, message.ref, message.topic, message.event
    return Message(join_ref, ref, topic, event, payload), carried


async def _result(handler: Handler, running: Awaitable[Any]) -> Any:
    value = await running
    if value is not None and type(value) in UNFINISHED:
        value = await handler.finish(value)
    return value
