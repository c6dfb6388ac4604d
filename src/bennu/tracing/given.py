"""The tracing that an endpoint was given. OpenTelemetry is imported here, if there is tracing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import DefinitionError
from ..socket import SocketBase
from ..user_code.options import Option
from .options import Tracing

if TYPE_CHECKING:
    from .tracer import EndpointTracer

__all__ = ["TRACING", "tracer_of"]

TRACING: Final = Option(
    "True, False or a Tracing", lambda value: isinstance(value, bool | Tracing), "True"
)
"""What ``Endpoint(tracing=...)`` can be."""


def tracer_of(
    given: Tracing | bool, sockets: Mapping[str, SocketBase[Any]]
) -> EndpointTracer | None:
    """Return the tracer of an endpoint; None for an endpoint without tracing.

    Args:
        given: What the user gave.
        sockets: The sockets by their mount paths.

    Raises:
        DefinitionError: The package of OpenTelemetry is missing.
    """
    if given is False:
        return None
    try:
        from .tracer import EndpointTracer  # noqa: PLC0415 - its package is optional
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        raise DefinitionError(
            f"Endpoint(tracing={'True' if given is True else 'Tracing(...)'})",
            expected="the package opentelemetry-api",
            got=f"a Python without it: {error}",
            write="pip install bennu[otel], or tracing=False",
        ) from None
    return EndpointTracer(Tracing() if given is True else given, sockets)
