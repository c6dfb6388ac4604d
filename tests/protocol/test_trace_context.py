"""The header of the W3C Trace Context: what is valid, and what is ignored."""

from __future__ import annotations

import pytest

from bennu.protocol.trace_context import TraceParent, parse_traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f" \t00-{TRACE}-{SPAN}-01\t ", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_a_valid_header_names_trace_and_span(header: str, is_sampled: bool) -> None:
    """A later version is read like the first one, as the specification says."""
    assert parse_traceparent([header]) == TraceParent(TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        "-" * 55,
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0x-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00_{TRACE}-{SPAN}-01",
        f"00-{TRACE}_{SPAN}-01",
        f"00-{TRACE}-{SPAN}_01",
        f"00-{TRACE[:-1]}\n-{SPAN}-01",
        f"00-{TRACE[:-1]}\u0660-{SPAN}-01",
    ],
)
def test_an_invalid_header_is_no_header(header: str) -> None:
    """A client chooses the header, so nothing but hexadecimal digits comes out."""
    assert parse_traceparent([header]) is None


def test_a_request_has_one_such_header() -> None:
    header = f"00-{TRACE}-{SPAN}-01"
    assert parse_traceparent([]) is None
    assert parse_traceparent([header, header]) is None
