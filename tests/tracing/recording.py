"""A tracer provider whose spans a test reads, and an endpoint that it traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import SpanContext, format_span_id, format_trace_id

from bennu import Channel, Endpoint, Refused, Socket, Stop, on, on_info, on_out
from bennu.tracing import Tracing

__all__ = [
    "PARENT",
    "STATE",
    "TRACE",
    "TRACEPARENT",
    "UNSAMPLED",
    "Recording",
    "Room",
    "Said",
    "endpoint_of_rooms",
    "id_of",
    "parent_of",
    "state_of",
    "trace_of",
]

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT: Final = "00f067aa0ba902b7"
TRACEPARENT: Final = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED: Final = f"00-{TRACE}-{PARENT}-00"
STATE: Final = "vendor=1"


def context_of(span: ReadableSpan) -> SpanContext:
    """Return the context of a span."""
    context = span.get_span_context()
    assert context is not None
    return context


def trace_of(span: ReadableSpan) -> str:
    """Return the id of a span's trace."""
    return format_trace_id(context_of(span).trace_id)


def id_of(span: ReadableSpan) -> str:
    """Return the id of a span."""
    return format_span_id(context_of(span).span_id)


def state_of(span: ReadableSpan) -> str:
    """Return the ``tracestate`` of a span."""
    return context_of(span).trace_state.to_header()


def parent_of(span: ReadableSpan) -> str | None:
    """Return the id of a span's parent; None if it begins a trace."""
    return None if span.parent is None else format_span_id(span.parent.span_id)


class Recording:
    """The spans of a test.

    Args:
        sampler: Decides which spans are recorded. Default: those whose parent is, and all that begin a trace.
    """

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def tracing(self, **options: Any) -> Tracing:
        """Return the options of an endpoint that is recorded here."""
        return Tracing(tracer_provider=self.provider, **options)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that have ended, in the order of their ends."""
        return self._exporter.get_finished_spans()

    @property
    def names(self) -> list[str]:
        """The names of the spans."""
        return [span.name for span in self.spans]

    def all_of(self, name: str) -> list[ReadableSpan]:
        """Return the spans whose name has this first word."""
        return [span for span in self.spans if span.name.split(" ")[0] == name]

    def one(self, name: str) -> ReadableSpan:
        """Return the only span whose name has this first word."""
        [span] = self.all_of(name)
        return span

    def clear(self) -> None:
        """Forget the spans."""
        self._exporter.clear()


class Said(Struct, forbid_unknown_fields=True):
    """A payload that refuses unknown keys."""

    body: str


class Room(Channel[Any]):
    """A room in which everything has a span."""

    room_id: int

    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.room_id > 9:
            raise Refused("no_such_room")
        if "crash" in payload:
            raise KeyError(payload["crash"])
        return payload

    @on("say")
    async def say(self, payload: Said) -> dict[str, str]:
        await self.broadcast("said", {"body": payload.body})
        return {"body": payload.body}

    @on("whisper")
    def whisper(self, payload: dict[str, str]) -> dict[str, str]:
        self.sync.local_broadcast_from("said", payload)
        return payload

    @on("blob")
    async def blob(self, payload: bytes) -> bytes:
        await self.broadcast("blob", payload)
        return payload

    @on("refuse")
    async def refuse(self) -> None:
        raise Refused("too_loud")

    @on("crash")
    async def crash(self, payload: Said) -> None:
        raise ValueError(f"I can't say {payload.body}")

    @on("stop")
    async def stop(self) -> None:
        raise Stop

    @on("tick")
    async def tick(self) -> None:
        self.send_self("tick")

    @on_info(str)
    async def ticked(self, message: str) -> None:
        await self.push("ticked")

    @on_out("secret")
    async def secret(self, payload: dict[str, str]) -> None:
        await self.push("secret", payload)

    async def handle_in(self, event: str, payload: Any) -> Any:
        return {"event": event, "payload": payload}


async def connect_user(params: dict[str, str]) -> str | None:
    """Admit everybody but ``nobody``."""
    if params.get("name") == "nobody":
        raise Refused("nobody")
    if "pin" in params:
        raise ValueError(f"the pin is {params['pin']}")
    return params.get("name")


def endpoint_of_rooms(
    tracing: Tracing | bool, *, log: bool = True, rooms: type[Channel[Any]] = Room, **options: Any
) -> Endpoint:
    """Return a traced endpoint."""
    socket = Socket(
        connect=connect_user, channels={"room:{room_id}": rooms}, longpoll=True, log=log
    )
    return Endpoint(sockets={"/socket": socket}, tracing=tracing, **options)
