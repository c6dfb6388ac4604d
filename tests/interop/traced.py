"""A traced server: `bennu run tests.interop.traced:endpoint`. A client can ask for the spans."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from bennu import Channel, Endpoint, Socket, on
from bennu.tracing import Tracing

__all__ = ["endpoint"]

EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))


class Said(Struct, forbid_unknown_fields=True):
    """A message."""

    body: str


class Room(Channel[None]):
    """A room."""

    room_id: int

    @on("say")
    async def say(self, message: Said) -> dict[str, str]:
        await self.broadcast("said", {"body": message.body})
        return {"body": message.body}

    @on("spans")
    async def spans(self) -> dict[str, Any]:
        """Return the spans that have ended."""
        return {"spans": [_shown(span) for span in EXPORTER.get_finished_spans()]}


def _shown(span: ReadableSpan) -> dict[str, str | None]:
    context = span.get_span_context()
    assert context is not None
    return {
        "name": span.name,
        "trace": format_trace_id(context.trace_id),
        "id": format_span_id(context.span_id),
        "parent": None if span.parent is None else format_span_id(span.parent.span_id),
    }


endpoint = Endpoint(
    sockets={"/socket": Socket(connect=lambda: None, channels={"room:{room_id}": Room})},
    tracing=Tracing(tracer_provider=PROVIDER),
)
