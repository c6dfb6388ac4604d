"""Spans of OpenTelemetry: from a client's connect to the fan-out of a broadcast on each node. docs/tracing.md.

Nothing of OpenTelemetry is imported before an endpoint has ``tracing``.
"""

from .options import OPERATIONS, Tracing

__all__ = ["OPERATIONS", "Tracing"]
