"""The endpoint under load, watched in the way that the variable BENNU_WATCHED names: one of WATCHED."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from bennu import Dashboard, Endpoint, Socket
from bennu.tracing import Tracing

from .endpoint import RoomChannel, connect

__all__ = ["PASSWORD", "WATCHED", "endpoint"]

PASSWORD: Final = "a password of the benchmark"  # noqa: S105 - it protects nothing


def _traces() -> Tracing:
    """Return a tracing that records one of a hundred traces, and exports to nowhere."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only this way needs it
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            del spans
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.01)))
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    return Tracing(tracer_provider=provider)


WATCHED: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "nothing": dict,
    "metrics": lambda: {"metrics": "/metrics"},
    "metrics, traces of 1 %": lambda: {"metrics": "/metrics", "tracing": _traces()},
    "dashboard open": lambda: {"dashboard": Dashboard(password=PASSWORD)},
    "inspector follows all": lambda: {"dashboard": Dashboard(password=PASSWORD)},
}
"""The options of the endpoint."""

endpoint = Endpoint(
    sockets={"/socket": Socket(connect=connect, channels={"room:*": RoomChannel})},
    **WATCHED[os.environ.get("BENNU_WATCHED", "nothing")](),
)
