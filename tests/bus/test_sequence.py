"""Numbers find what was missed: exactly, whatever is dropped, duplicated, reordered or restarted."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from hypothesis import given, strategies as st

from bennu.bus.numbers import RUN_SHIFT, Key
from bennu.bus.sequence import UNKNOWN, Gaps, Heard, KnownNumbers, Numbers

from ..support.properties import property_test

TOPICS = ("a", "b")


class Packet(NamedTuple):
    """What a publisher sends: a message, or a mark."""

    epoch: int
    topic: Key
    number: int
    is_mark: bool = False


def test_numbers_count_from_one_for_each_topic() -> None:
    numbers = Numbers()
    assert [numbers.next("a"), numbers.next("a"), numbers.next("b")] == [1, 2, 1]
    assert (numbers.mark("a"), numbers.mark("c")) == (2, 0)
    assert dict(numbers.marks()) == {"a": 2, "b": 1}


def test_a_gap_is_counted_at_the_next_message() -> None:
    gaps = Gaps()
    assert gaps.hear("one", 1, "a", 7) == Heard(is_new=True)  # the base is unknown
    assert gaps.hear("one", 1, "a", 8) == Heard(is_new=True)
    assert gaps.hear("one", 1, "a", 12) == Heard(is_new=True, missed=3)
    assert gaps.hear("one", 1, "a", 10) == Heard(is_new=False)  # late, and counted already
    assert gaps.hear("one", 1, "a", 12) == Heard(is_new=False)  # a duplicate
    assert gaps.hear("two", 1, "a", 1) == Heard(is_new=True)  # other publishers and topics
    assert gaps.hear("one", 1, "b", 1) == Heard(is_new=True)


def test_a_gap_is_counted_at_a_mark() -> None:
    gaps = Gaps()
    gaps.hear("one", 1, "a", 1)
    assert gaps.mark("one", 1, "a", 1) == Heard(is_new=False)
    assert gaps.mark("one", 1, "a", 4) == Heard(is_new=False, missed=3)
    assert gaps.mark("one", 1, "a", 2) == Heard(is_new=False)  # an old mark
    assert gaps.hear("one", 1, "a", 5) == Heard(is_new=True)
    assert gaps.mark("one", 1, "b", 9) == Heard(is_new=False)  # the base
    assert gaps.hear("one", 1, "b", 11) == Heard(is_new=True, missed=1)


def test_a_subscriber_that_was_first_misses_the_first_message_too() -> None:
    gaps = Gaps()
    gaps.expect("one", 1, ["a", "b"])
    assert gaps.hear("one", 1, "a", 3) == Heard(is_new=True, missed=2)
    gaps.expect("one", 1, ["a"])
    assert gaps.hear("one", 1, "a", 4) == Heard(is_new=True)
    gaps.expect("one", 0, ["a"])  # of an epoch that has ended
    assert gaps.hear("one", 1, "a", 5) == Heard(is_new=True)


def test_a_new_epoch_ends_the_old_one() -> None:
    gaps = Gaps()
    gaps.hear("one", 1, "a", 1)
    assert gaps.hear("one", 2, "b", 1) == Heard(is_new=True, ended=True)
    assert gaps.hear("one", 1, "a", 2) == Heard(is_new=False)
    assert gaps.mark("one", 1, "a", 9) == Heard(is_new=False)
    assert gaps.mark("one", 3, "a", 9) == Heard(is_new=False, ended=True)


def test_what_is_forgotten_has_no_gaps() -> None:
    gaps = Gaps()
    gaps.hear("one", 1, "a", 1)
    gaps.hear("one", 1, "b", 1)
    gaps.unsubscribe("a")
    gaps.unsubscribe("a")
    assert gaps.hear("one", 1, "a", 9) == Heard(is_new=True)
    assert gaps.forget("one") == {"a", "b"}
    assert gaps.forget("one") == frozenset()
    assert gaps.hear("one", 1, "b", 9) == Heard(is_new=True)


RUN = 1 << RUN_SHIFT


def answer(known: KnownNumbers, generation: int, floors: dict[Key, int] | None = None) -> object:
    return known.answer(generation - 1, generation, floors or {}, lambda key: 1)


def test_the_base_is_0_after_an_answer_that_does_not_name_the_topic() -> None:
    known = KnownNumbers()
    assert answer(known, 1) == []
    assert known.generation == 1
    assert known.hear("a", 3, 1) == Heard(is_new=True, missed=2)
    assert known.mark("b", 2, 1) == Heard(is_new=False, missed=2)
    assert known.hear("c", 3, 2) == Heard(is_new=True)  # a later subscription
    assert known.hear("d", 3, UNKNOWN) == Heard(is_new=True)
    assert known.keys == {"a", "b", "c", "d"}
    assert len(known) == 4


def test_an_answer_can_overtake_messages() -> None:
    known = KnownNumbers()
    assert answer(known, 1, {"a": 7, "b": 7, "c": 7, "d": 7}) == []
    assert known.hear("a", 6, 1) == Heard(is_new=True)  # it was on its way
    assert known.hear("a", 9, 1) == Heard(is_new=True, missed=2)
    assert known.hear("b", 10, 1) == Heard(is_new=True, missed=2)
    assert known.hear("b", 7, 1) == Heard(is_new=False)
    assert known.mark("c", 5, 1) == Heard(is_new=False)
    assert known.hear("c", 6, 1) == Heard(is_new=True)
    assert known.mark("d", 8, 1) == Heard(is_new=False, missed=1)
    assert known.hear("d", 9, 1) == Heard(is_new=True)


def test_messages_can_overtake_an_answer() -> None:
    known = KnownNumbers()
    for key, number in (("a", 5), ("b", 3), ("c", 4), ("d", 8)):
        assert known.hear(key, number, 1) == Heard(is_new=True)
    assert known.mark("e", 2, 1) == Heard(is_new=False)
    assert known.hear("f", RUN + 3, 1) == Heard(is_new=True)
    found = known.answer(0, 1, {"a": 2, "b": 2, "d": 9, "f": 6}, lambda key: 2 if key == "c" else 1)
    assert found == [("a", 2), ("e", 2), ("f", 2)]
    assert known.answer(1, 2, {}, lambda key: 2) == [("c", 3)]
    assert known.hear("d", 9, 1) == Heard(is_new=True)


def test_an_answer_after_a_missing_one_is_not_taken() -> None:
    known = KnownNumbers()
    known.hear("a", 5, 1)
    assert known.answer(1, 2, {}, lambda key: 1) == []
    assert known.generation == 0
    assert known.answer(0, 2, {"a": 1}, lambda key: 1) == [("a", 3)]
    assert known.generation == 2
    assert known.answer(0, 1, {}, lambda key: 1) == []
    assert known.generation == 2


def test_a_new_run_begins_at_1() -> None:
    known = KnownNumbers()
    answer(known, 1)
    known.hear("a", 1, 1)
    assert known.hear("a", RUN + 3, 1) == Heard(is_new=True, missed=2)
    assert known.hear("a", 2, 1) == Heard(is_new=False)
    assert known.mark("a", 3 * RUN + 4, 1) == Heard(is_new=False, missed=4)
    assert known.hear("b", 2 * RUN + 2, 1) == Heard(is_new=True, missed=1)


def test_a_base_that_was_forgotten_gives_an_unknown_count() -> None:
    known = KnownNumbers()
    answer(known, 1)
    for key in "abc":
        known.hear(key, 1, 1)
    known.trim(1)
    assert known.keys == {"c"}
    assert known.hear("a", 3, 1) == Heard(is_new=True, missed=None)
    assert known.hear("a", 5, 1) == Heard(is_new=True, missed=1)
    assert known.hear("b", 1, 1) == Heard(is_new=True)
    assert known.hear("c", 3, 1) == Heard(is_new=True, missed=1)
    assert known.mark("d", 1, 1) == Heard(is_new=False, missed=None)
    answer(known, 2)
    assert known.hear("e", 2, 2) == Heard(is_new=True, missed=1)


def test_a_stream_that_is_not_heard_any_more_is_forgotten() -> None:
    known = KnownNumbers()
    known.hear("a", 3, 1)
    answer(known, 1, {"b": 3})
    for key in "ab":
        known.forget(key)
        known.forget(key)
    assert known.keys == frozenset()
    assert known.hear("b", 2, 2) == Heard(is_new=True)
    known.expect(["b", "c"])
    assert known.hear("c", 2, 2) == Heard(is_new=True, missed=1)
    assert known.hear("b", 3, 2) == Heard(is_new=True)


@st.composite
def journeys(draw: st.DrawFn) -> list[Packet]:
    """Return what arrives of a publisher's messages and marks in its epochs: dropped, doubled and reordered."""
    sent: list[Packet] = []
    for epoch in range(1, draw(st.integers(1, 3)) + 1):
        numbers = Numbers()
        for topic, is_mark in draw(
            st.lists(st.tuples(st.sampled_from(TOPICS), st.booleans()), max_size=20)
        ):
            number = numbers.mark(topic) if is_mark else numbers.next(topic)
            sent.append(Packet(epoch, topic, number, is_mark))
        sent += [Packet(epoch, topic, number, is_mark=True) for topic, number in numbers.marks()]
    arrived = [packet for packet in sent for _ in range(draw(st.integers(0, 2)))]
    for _ in range(draw(st.integers(0, 5)) if arrived else 0):
        moved = arrived.pop(draw(st.integers(0, len(arrived) - 1)))
        arrived.insert(draw(st.integers(0, len(arrived))), moved)
    return arrived


@given(journeys())
@property_test
def test_delivered_plus_missed_is_what_was_published(
    arrived: list[Packet],
) -> None:
    """At every moment, for each topic of the current epoch; and nothing is delivered twice or out of order."""
    gaps = Gaps()
    epoch = 0
    ended = 0
    delivered: Counter[Key] = Counter()
    missed: Counter[Key] = Counter()
    highest: dict[Key, int] = {}
    for packet in arrived:
        if epoch == 0:
            gaps.expect("one", packet.epoch, TOPICS)
        assert isinstance(packet.topic, str)
        take = gaps.mark if packet.is_mark else gaps.hear
        heard = take("one", packet.epoch, packet.topic, packet.number)
        if packet.epoch > epoch:
            assert heard.ended == (epoch > 0)
            ended += heard.ended
            epoch = packet.epoch
            delivered.clear()
            missed.clear()
            highest = {} if ended else dict.fromkeys(TOPICS, 0)
        if packet.epoch < epoch:
            assert heard == Heard(is_new=False)
            continue
        if packet.topic not in highest:  # the first number is the base
            assert heard.missed == 0
            highest[packet.topic] = packet.number - (not packet.is_mark)
            delivered[packet.topic] = highest[packet.topic]
        assert heard.is_new == (not packet.is_mark and packet.number > highest[packet.topic])
        highest[packet.topic] = max(highest[packet.topic], packet.number)
        delivered[packet.topic] += heard.is_new
        missed[packet.topic] += heard.missed or 0
        assert delivered[packet.topic] + missed[packet.topic] == highest[packet.topic]
