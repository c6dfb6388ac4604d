"""The budget of one call of the reader, and the bounds of a message."""

from __future__ import annotations

from hypothesis import given, strategies as st

from bennu.message import BINARY, TEXT
from bennu.protocol.websocket import (
    FRAGMENT,
    MAX_FRAGMENTS,
    Event,
    Note,
    Reader,
)

from ..support.masked import LARGE, binary, failure, raw, read, text
from ..support.properties import property_test


def in_turns(reader: Reader, data: bytes) -> list[list[Event]]:
    """Return the events of each call, until nothing is left."""
    calls = [reader.receive(data)]
    while reader.is_behind:
        calls.append(reader.more())
    return calls


def test_frames_beyond_the_budget_wait_for_the_next_call() -> None:
    """One read of the socket can bring tens of thousands of frames."""
    reader = Reader(LARGE, 4)
    calls = in_turns(reader, b"".join(text(str(number)) for number in range(10)))

    assert [len(call) for call in calls] == [5, 5, 2]
    assert [call[-1] for call in calls[:2]] == [(Note.BEHIND, None)] * 2
    assert [data for call in calls for kind, data in call if kind is TEXT] == [
        b"%d" % number for number in range(10)
    ]
    assert reader.receive(text("later")) == [(TEXT, b"later")]


def test_empty_fragments_and_pings_cost_as_much_as_messages() -> None:
    """Empty fragments and pings cost time too."""
    reader = Reader(LARGE, 10)
    data = raw(0x02) + raw(0x00) * 98 + raw(0x80)

    assert in_turns(reader, data) == [[(Note.BEHIND, None)]] * 9 + [[(BINARY, b"")]]
    assert sum(map(len, in_turns(reader, raw(0x89) * 35))) == 35 + 3


def test_a_large_message_is_a_call_of_its_own() -> None:
    """A large message waits for its own call, also if it is the first: its cost is not added to other costs."""
    reader = Reader(LARGE, 64)
    large = raw(0x82, bytes(70_000))

    assert in_turns(reader, large) == [[(Note.BEHIND, None)], [(BINARY, bytes(70_000))]]
    assert in_turns(reader, large + text("a") + large) == [
        [(Note.BEHIND, None)],
        [(BINARY, bytes(70_000)), (Note.BEHIND, None)],
        [(TEXT, b"a"), (Note.BEHIND, None)],
        [(BINARY, bytes(70_000))],
    ]


def test_the_last_fragment_costs_what_the_message_does() -> None:
    """The message is decoded with its last fragment."""
    reader = Reader(LARGE, 64)
    half = bytes(40_000)

    assert reader.receive(raw(0x02, half)) == []
    assert in_turns(reader, raw(0x80, half)) == [[(Note.BEHIND, None)], [(BINARY, half * 2)]]


def test_what_comes_while_more_waits_is_kept() -> None:
    """Bytes can arrive after the socket was paused."""
    reader = Reader(LARGE, 1)

    assert reader.receive(text("a") + text("b")) == [(TEXT, b"a"), (Note.BEHIND, None)]
    assert reader.receive(text("c") + text("d")[:3]) == []
    assert reader.more() == [(TEXT, b"b"), (Note.BEHIND, None)]
    assert reader.more() == [(TEXT, b"c")]
    assert reader.receive(text("d")[3:]) == [(TEXT, b"d")]


def test_nothing_more_comes_of_a_reader_that_has_all_or_is_dead() -> None:
    """A call of ``more`` can have been scheduled before."""
    reader = Reader(LARGE, 1)
    assert reader.more() == []
    reader.receive(text("a") + text("b") + raw(0x83) + text("c"))
    assert failure(reader.more()) == 1002
    assert not reader.is_behind
    assert reader.more() == []


@property_test
@given(st.lists(st.binary(max_size=40) | st.just(b"x" * 5000), max_size=30), st.integers(1, 20))
def test_a_budget_changes_no_message_and_no_order(contents: list[bytes], budget: int) -> None:
    """A budget only changes when messages are returned."""
    calls = in_turns(Reader(LARGE, budget), b"".join(map(binary, contents)))

    assert [data for call in calls for kind, data in call if kind is BINARY] == contents
    assert max(len(call) for call in calls) <= budget + 2


def test_a_message_has_a_bounded_number_of_fragments() -> None:
    """More fragments are allowed if they have content."""
    start = raw(0x02)
    empty = raw(0x00)

    assert read([start + empty * (MAX_FRAGMENTS - 2) + raw(0x80)]) == [(BINARY, b"")]
    assert failure(read([start + empty * MAX_FRAGMENTS])) == 1009
    content = b"x" * FRAGMENT
    longest = start + raw(0x00, content) * (MAX_FRAGMENTS * 2) + raw(0x80)
    assert read([longest]) == [(BINARY, content * MAX_FRAGMENTS * 2)]


def test_bytes_that_are_no_message_are_counted() -> None:
    """These bytes and those of messages are all received bytes. The header of a single frame does not count."""
    reader = Reader(LARGE)
    data = text("abc") + raw(0x89, b"ping") + raw(0x01, b"ab") + raw(0x80, b"cd") + text("x" * 200)
    reader.receive(data)

    assert len(data) + reader.grown == 3 + 10 + 8 + 8 + 200
