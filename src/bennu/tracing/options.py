"""The options of tracing."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from ..user_code.options import FLAG, Option, optional, options

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["OPERATIONS", "ClientContext", "Operation", "Tracing"]

Operation = Literal[
    "connect",
    "join",
    "after_join",
    "handle",
    "on_info",
    "terminate",
    "broadcast",
    "fan_out",
    "on_out",
]
"""What a span can be of."""

OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
"""All operations."""

ClientContext = Literal["parent", "link", "ignore"]
"""What the trace context of a client is for."""

_CONTEXTS: Final[tuple[ClientContext, ...]] = get_args(ClientContext)


def _are_operations(value: Any) -> bool:
    if not isinstance(value, list | tuple | set | frozenset):
        return False
    return all(one in OPERATIONS for one in cast("Collection[object]", value))


@options(
    tracer_provider=optional(
        Option(
            "a TracerProvider",
            lambda value: hasattr(value, "get_tracer"),
            "TracerProvider() of opentelemetry.sdk.trace",
        )
    ),
    operations=Option(
        f"some of {', '.join(OPERATIONS)}", _are_operations, '["join", "handle", "broadcast"]'
    ),
    client_context=Option(
        " or ".join(f'"{one}"' for one in _CONTEXTS), lambda value: value in _CONTEXTS, '"link"'
    ),
    one_trace=FLAG,
)
class Tracing:
    """How an endpoint is traced: ``Endpoint(tracing=Tracing(...))``.

    Args:
        tracer_provider: Makes the tracer, and has the sampler. Default: None, the global one
            (``trace.set_tracer_provider``), also if it is set later.
        operations: What has spans: some of :data:`OPERATIONS`. Default: all.
        client_context: What the trace context of a client does (the header ``traceparent`` of a connect, and the key
            ``_trace`` of a payload). ``"parent"``: the spans continue the client's trace, and the client decides whether it
            is sampled. ``"link"``: the spans begin a trace of their own with a link to the client's. ``"ignore"``:
            nothing. Default: ``"parent"``.
        one_trace: Whether the messages of a connection belong to the trace of its connect. Default: False, a message
            without a context of its own begins a trace, with a link to the join.

    Raises:
        DefinitionError: An option can't have its value.

    Example:
        >>> Tracing(client_context="link").one_trace
        False
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        operations: Collection[Operation] = OPERATIONS,
        client_context: ClientContext = "parent",
        one_trace: bool = False,
    ) -> None:
        self.tracer_provider = tracer_provider
        self.operations = frozenset(operations)
        self.client_context: ClientContext = client_context
        self.one_trace = one_trace
