"""The trace context of a broadcast as blanks in its JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from bennu.protocol.trace_context import TraceParent
from bennu.pubsub.envelope import EnvelopeKind, pack, unpack
from bennu.tracing.blanks import put_blanks, take_blanks
from bennu.tracing.carried import Carried

from .recording import PARENT, STATE, TRACE

CARRIED = Carried(TraceParent(TRACE, PARENT, is_sampled=True), STATE)

ids = st.text("0123456789abcdef", min_size=16, max_size=16).filter(lambda text: text.strip("0"))
states = st.text(st.characters(max_codepoint=127), max_size=512)
values: Any = st.dictionaries(st.text(), st.none() | st.integers(0, 9) | st.text())


def message(content: bytes = b'{"a":1}') -> bytes:
    return pack(EnvelopeKind.JSON, "said", content)


@given(st.builds(TraceParent, st.builds(str.__add__, ids, ids), ids, st.booleans()), states, values)
def test_a_context_comes_back_and_the_envelope_as_it_was(
    parent: TraceParent, state: str, payload: dict[str, Any]
) -> None:
    """A node without tracing reads the same event and the same values."""
    data, carried = message(msgspec.json.encode(payload)), Carried(parent, state)
    traced = put_blanks(data, carried)
    assert take_blanks(traced) == (data, carried)
    kind, event, content = unpack(traced)
    assert (kind, event, msgspec.json.decode(content)) == (EnvelopeKind.JSON, "said", payload)
    assert content[:1] == b"{"
    assert content[-1:] == b"}"


def test_the_length_is_that_of_the_page() -> None:
    data = message()
    bare = Carried(CARRIED.parent)
    assert len(put_blanks(data, bare)) - len(data) == 114
    assert len(put_blanks(data, CARRIED)) - len(data) == 114 + 4 * len(STATE)


@pytest.mark.parametrize("kind", [one for one in EnvelopeKind if one is not EnvelopeKind.JSON])
def test_only_a_broadcast_of_json_has_a_place(kind: EnvelopeKind) -> None:
    data = pack(kind, "said", b'{"a":1}')
    assert put_blanks(data, CARRIED) is data
    assert take_blanks(data) == (data, None)


@pytest.mark.parametrize("content", [b"", b"[]", b" {}"])
def test_other_content_has_no_place(content: bytes) -> None:
    data = message(content)
    assert put_blanks(data, CARRIED) is data


@given(st.binary(max_size=40))
def test_any_bytes_are_left_as_they_are(data: bytes) -> None:
    assert take_blanks(data) == (data, None)


@pytest.mark.parametrize("content", [b'{\n  "a": 1\n}', b'{\r\n\t"a": 1\r\n}', b"{ }", b"{\t \t}"])
def test_blanks_of_pretty_json_are_no_context(content: bytes) -> None:
    data = message(content)
    assert take_blanks(data) == (data, None)


def test_a_context_that_is_cut_or_changed_is_none() -> None:
    """What is no context is left: JSON ignores it."""
    traced = put_blanks(message(), CARRIED)
    start = traced.index(b"{") + 1
    end = traced.index(b'"a"')
    for place in range(start, end):
        cut = traced[:place] + traced[place + 1 :]
        assert take_blanks(cut) == (cut, None)
    for place in range(start + 6, end):
        changed = traced[:place] + b"x" + traced[place + 1 :]
        assert take_blanks(changed) == (changed, None)


def test_ids_of_zeros_are_none() -> None:
    for trace_id, parent_id in (("0" * 32, PARENT), (TRACE, "0" * 16)):
        parent = TraceParent(trace_id, parent_id, is_sampled=True)
        traced = put_blanks(message(), Carried(parent))
        assert take_blanks(traced) == (traced, None)


def test_a_state_that_is_no_ascii_is_none() -> None:
    traced = put_blanks(message(), Carried(CARRIED.parent, "aaaa"))
    one, other = b"\t\n \t", b"\r\n \t"  # 0x61 with and without the highest bit
    changed = traced.replace(4 * one, 4 * other)
    assert changed != traced
    assert take_blanks(changed) == (changed, None)
