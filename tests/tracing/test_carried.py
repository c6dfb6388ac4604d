"""The trace context in headers and payloads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from bennu.protocol.trace_context import TraceParent
from bennu.tracing.carried import Carried, carried_by, carried_in_headers, take_context

from .recording import PARENT, STATE, TRACE, TRACEPARENT, UNSAMPLED

SAMPLED = TraceParent(TRACE, PARENT, is_sampled=True)


def take(payload: Any) -> tuple[Any, Carried | None]:
    """Return the rest of a payload, decoded, and the context."""
    rest, carried = take_context(Raw(msgspec.json.encode(payload)))
    return msgspec.json.decode(rest), carried


def test_the_key_is_taken_out_of_a_payload() -> None:
    context = {"traceparent": TRACEPARENT, "tracestate": STATE, "baggage": "user=ann"}
    assert take({"body": "a", "_trace": context}) == ({"body": "a"}, Carried(SAMPLED, STATE))
    unsampled = TraceParent(TRACE, PARENT, is_sampled=False)
    assert take({"_trace": {"traceparent": UNSAMPLED}}) == ({}, Carried(unsampled))


@pytest.mark.parametrize(
    "context",
    [
        None,
        7,
        "text",
        [],
        {},
        {"traceparent": 7},
        {"traceparent": "bad"},
        {"traceparent": TRACEPARENT.replace("4", "x")},
        {"traceparent": f"00-{'0' * 32}-{PARENT}-01"},
        {"traceparent": TRACEPARENT, "baggage": "x" * 5000},
    ],
)
def test_a_bad_context_is_taken_out_and_is_none(context: Any) -> None:
    assert take({"body": "a", "_trace": context}) == ({"body": "a"}, None)


def test_a_bad_state_does_not_cost_the_parent() -> None:
    for state in (7, "ü=1", "x" * 513):
        assert carried_by({"traceparent": TRACEPARENT, "tracestate": state}) == Carried(SAMPLED)


@pytest.mark.parametrize("text", ["[]", "7", '"_trace"', '["_trace"]', '{"a": {"_trace": 1}}'])
def test_another_payload_is_left_as_it_is(text: str) -> None:
    payload = Raw(text.encode())
    assert take_context(payload) == (payload, None)


def test_json_that_is_none_is_left_to_the_handlers_type() -> None:
    payload = Raw(b'{"_trace": ')
    assert take_context(payload)[0] is payload
    binary: Any = b'{"_trace": {}}'
    assert take_context(binary) == (binary, None)
    half = Raw(b'{"_trace": {"traceparent": "\\ud800"}}')  # half a character
    assert take_context(half) == (half, None)


def test_values_that_can_not_be_decoded_are_no_context() -> None:
    rest, carried = take_context(Raw(b'{"_trace": {"traceparent": 1e999}}'))
    assert (bytes(rest), carried) == (b"{}", None)
    deep = Raw(b'{"_trace": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert take_context(deep) == (deep, None)


def test_the_headers_of_a_connect() -> None:
    parent, state = ("traceparent", TRACEPARENT), ("tracestate", STATE)
    assert carried_in_headers([parent, state]) == Carried(SAMPLED, STATE)
    assert carried_in_headers([parent, state, ("tracestate", "b=2")]) == Carried(
        SAMPLED, "vendor=1,b=2"
    )
    assert carried_in_headers([state]) is None
    assert carried_in_headers([parent, parent]) is None
    assert carried_by("text") is None
