"""A trace context that a client has sent: in the headers of its connect, or in a payload. Pure.

A payload is a JSON object, and the context is under its reserved key ``_trace``, as a propagator of OpenTelemetry writes it::

    {"body": "hello", "_trace": {"traceparent": "00-4bf9...-00f0...-01", "tracestate": "vendor=1"}}

The key is taken out before the payload is decoded to the type of a handler, also if what it holds is no context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec import Raw

from ..protocol.trace_context import TraceParent, parse_traceparent

__all__ = ["KEY", "MAX_STATE", "Carried", "carried_by", "carried_in_headers", "take_context"]

KEY: Final = "_trace"
"""The reserved key in the payload of a join or push."""

MAX_STATE: Final = 512
"""The most characters of a ``tracestate``. A longer one is left out (W3C Trace Context, §3.3.1.5)."""

MAX_CONTEXT: Final = 4096
"""The most bytes of JSON under the key. An object of a propagator can have ``baggage``, which is not read."""

_MARK: Final = f'"{KEY}"'.encode()

_UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Carried(NamedTuple):
    """A trace context.

    Attributes:
        parent: The trace, the span, and whether it is sampled.
        state: The ``tracestate``, empty for none.
    """

    parent: TraceParent
    state: str = ""


def carried_in_headers(headers: Sequence[tuple[str, str]]) -> Carried | None:
    """Return the context in the headers of a request; None if there is none.

    Args:
        headers: Names in lower case, and values: the ``trace_context_headers`` of a connect.
    """
    parent = parse_traceparent([value for name, value in headers if name == "traceparent"])
    if parent is None:
        return None
    return Carried(
        parent, _state(",".join(value for name, value in headers if name == "tracestate"))
    )


def carried_by(context: object) -> Carried | None:
    """Return the context that an object holds, as a propagator has filled it; None if it holds none.

    Example:
        >>> carried_by({"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}).state
        ''
    """
    if not isinstance(context, Mapping):
        return None
    fields = cast("Mapping[str, Any]", context)
    text, state = fields.get("traceparent"), fields.get("tracestate", "")
    parent = parse_traceparent([text]) if isinstance(text, str) else None
    if parent is None:
        return None
    return Carried(parent, _state(state) if isinstance(state, str) else "")


def take_context(payload: Raw) -> tuple[Raw, Carried | None]:
    """Take the key out of a payload.

    Args:
        payload: Raw JSON; or the bytes of a binary payload, which has no context.

    Returns:
        The payload without the key, and the context; None if there is none.
    """
    given: object = payload
    if not isinstance(given, Raw) or _MARK not in memoryview(given).tobytes():
        return payload, None
    try:
        fields = _decode_object(payload)
    except _UNDECODABLE:
        return payload, None  # no object: the handler's type decides
    found = fields.pop(KEY, None)
    if found is None:
        return payload, None  # the text stands somewhere else
    return Raw(_encode(fields)), _read(bytes(found))


def _read(text: bytes) -> Carried | None:
    try:
        return carried_by(_decode(text)) if len(text) <= MAX_CONTEXT else None
    except _UNDECODABLE:  # a number out of range, for example
        return None


def _state(text: str) -> str:
    return text if len(text) <= MAX_STATE and text.isascii() else ""
