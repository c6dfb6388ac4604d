"""The queue of a slow client: the messages that are dropped, the messages that never are, and the bounds."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

import pytest
from hypothesis import given, settings, strategies as st

from bennu.reasons import DropReason
from bennu.server.send_queue import COST, SLACK, SendQueue

from ..support.inside import held_by

OWNER = "room"
PLENTY = 1_000_000


class Counting(SendQueue):
    """A send queue, and its dropped messages."""

    def __init__(self, bound: int = PLENTY) -> None:
        self.drops: Counter[tuple[str, DropReason]] = Counter()
        super().__init__(bound, self.count)

    def count(self, topic: str, reason: DropReason, count: int) -> None:
        """Record a drop."""
        self.drops[topic, reason] += count

    def say(self, frame: str, *, key: object = None, most: int = 100, owner: str = OWNER) -> None:
        """Offer a frame of one byte."""
        self.offer(owner, frame, 1, owner=owner, key=key, most=most)


def drain(queue: SendQueue) -> str:
    """Return the frames that wait, one by one."""
    return "".join("".join(queue.take(1)) for _ in range(len(queue)))


# What may be dropped.


def test_without_a_bound_reached_everything_comes_in_order() -> None:
    """Some messages can be dropped, others can't."""
    queue = Counting()
    for frame in "abcdef":
        if frame in "bd":
            queue.put("t", frame, 1)
        else:
            queue.say(frame)
    assert len(queue) == 6
    assert drain(queue) == "abcdef"
    assert (len(queue), queue.size, queue.drops) == (0, 0, {})


def test_beyond_its_bound_a_channel_loses_its_oldest() -> None:
    """Only messages of this channel are dropped."""
    queue = Counting()
    queue.say("x", owner="other", most=2)
    for frame in "abcde":
        queue.say(frame, most=2)
        queue.put("t", frame.upper(), 1)
    assert drain(queue) == "xABCdDeE"
    assert queue.drops == {(OWNER, DropReason.SLOW_OLDEST): 3}


def test_of_one_key_only_the_newest_waits() -> None:
    """The message goes to the end: messages come in the order of sending, with gaps."""
    queue = Counting()
    for frame, key in zip("abcde", "12131", strict=True):
        queue.say(frame, key=key)
    assert drain(queue) == "bde"
    assert queue.drops == {(OWNER, DropReason.SLOW_REPLACED): 2}


def test_a_key_belongs_to_its_channel() -> None:
    """The same key in another channel is a different key."""
    queue = Counting()
    queue.say("a", key=1)
    queue.say("b", key=1, owner="other")
    assert drain(queue) == "ab"


def test_too_many_keys_lose_the_oldest() -> None:
    """The key has no effect on the choice."""
    queue = Counting()
    for frame, key in zip("abca", "1231", strict=True):
        queue.say(frame, key=key, most=2)
    assert drain(queue) == "ca"
    assert queue.drops == {(OWNER, DropReason.SLOW_OLDEST): 2}


def test_what_was_taken_is_not_replaced() -> None:
    """A message in transit does not change. A newer message with its key waits behind it."""
    queue = Counting()
    queue.say("a", key=1)
    assert queue.take(1) == ["a"]
    queue.say("b", key=1)
    assert drain(queue) == "b"
    assert not queue.drops


# The bound in bytes.


def test_over_the_bytes_the_oldest_that_may_go_goes() -> None:
    """The oldest message that can be dropped is dropped, of any channel. Other messages keep their places."""
    queue = Counting(bound=4 * (COST + 1))
    queue.say("a", owner="other")
    assert queue.put("t", "B", 1)
    for frame in "cdef":
        queue.say(frame)
    assert drain(queue) == "Bdef"
    assert queue.drops == {
        ("other", DropReason.SLOW_OLDEST): 1,
        (OWNER, DropReason.SLOW_OLDEST): 1,
    }


def test_what_was_dropped_before_makes_no_room() -> None:
    """Only messages that wait count."""
    queue = Counting(bound=2 * (COST + 1))
    for frame, key in zip("abcd", "1123", strict=True):
        queue.say(frame, key=key)
    assert drain(queue) == "cd"
    assert queue.drops == {
        (OWNER, DropReason.SLOW_REPLACED): 1,
        (OWNER, DropReason.SLOW_OLDEST): 1,
    }


def test_what_must_not_be_dropped_makes_room_for_itself() -> None:
    """Messages that can be dropped are dropped for it."""
    queue = Counting(bound=2 * (COST + 1))
    for frame in "ab":
        queue.say(frame)
    assert queue.put("t", "C", 1)
    assert queue.put("t", "D", 1)
    assert drain(queue) == "CD"


def test_one_message_may_go_beyond_the_bound_and_no_more() -> None:
    """The message can have any size.

    Otherwise a large reply could never reach a client that is slow for a moment.
    """
    queue = Counting(bound=1000)
    queue.say("a")
    assert queue.put("t", "B", 1_000_000)
    assert not queue.put("t", "C", 1)
    queue.say("d")  # may be dropped, so it is
    assert drain(queue) == "B"
    assert queue.put("t", "E", 1)


def test_who_is_gone_gets_nothing() -> None:
    """All messages are counted by topic."""
    queue = Counting()
    for frame in "abc":
        queue.say(frame, key=1)
    queue.put("t", "D", 1)
    queue.put("t", "E", 1)
    queue.drop_all()
    assert (len(queue), queue.size, queue.kept, drain(queue)) == (0, 0, 0, "")
    assert queue.drops == {
        (OWNER, DropReason.SLOW_REPLACED): 2,
        (OWNER, DropReason.SLOW_ENDED): 1,
        ("t", DropReason.SLOW_ENDED): 2,
    }


def test_as_much_is_taken_as_was_asked_for() -> None:
    """At least one message is taken, and none after the limit is reached."""
    queue = Counting()
    for frame in ("aa", "bb", "cc"):
        queue.put("t", frame, 2)
    assert queue.take(3) == ["aa", "bb"]
    assert queue.take(1) == ["cc"]
    assert queue.take(1) == []


@pytest.mark.parametrize("most", [1, 3])
def test_gaps_do_not_pile_up(most: int) -> None:
    """A client that never reads takes the same memory after any number of messages."""
    queue = Counting()
    queue.put("t", "first", 5)  # nothing behind it is at the front
    for n in range(10_000):
        queue.say(str(n), most=most)
    assert len(queue) == most + 1
    assert max(map(len, held_by(queue, deque))) <= 3 * len(queue) + SLACK


def test_gaps_do_not_pile_up_for_who_reads_a_little() -> None:
    """The same holds for a client that is always some messages behind."""
    queue = Counting()
    for n in range(5):
        queue.say(str(n))
    for n in range(10_000):
        queue.say(str(n))
        assert len(queue.take(1)) == 1
    assert len(queue) == 5
    assert max(map(len, held_by(queue, deque))) <= 3 * len(queue) + SLACK


# Against a list that is searched every time.


@dataclass
class Line:
    """A message in the list."""

    frame: int
    size: int
    owner: str | None
    key: object


class Naive:
    """A queue with the same rules, implemented by searches."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.lines: list[Line] = []
        self.drops: Counter[tuple[str, DropReason]] = Counter()

    @property
    def size(self) -> int:
        return sum(line.size + COST for line in self.lines)

    def put(self, frame: int, size: int) -> bool:
        if self.size > self.bound:
            return False
        self.lines.append(Line(frame, size, None, None))
        self.keep_bound()
        return True

    def offer(self, frame: int, size: int, owner: str, key: object, most: int) -> None:
        owned = [line for line in self.lines if line.owner == owner]
        same = [line for line in owned if key is not None and line.key == key]
        if same:
            self.drop(same[0], DropReason.SLOW_REPLACED)
        elif len(owned) >= most:
            self.drop(owned[0], DropReason.SLOW_OLDEST)
        self.lines.append(Line(frame, size, owner, key))
        self.keep_bound()

    def keep_bound(self) -> None:
        while self.size > self.bound:
            droppable = [line for line in self.lines if line.owner is not None]
            if not droppable:
                return
            self.drop(droppable[0], DropReason.SLOW_OLDEST)

    def drop(self, line: Line, reason: DropReason) -> None:
        self.lines = [one for one in self.lines if one is not line]
        self.drops[str(line.owner), reason] += 1

    def take(self, limit: int) -> list[int]:
        frames: list[int] = []
        while self.lines and limit > 0:
            line = self.lines.pop(0)
            frames.append(line.frame)
            limit -= line.size
        return frames


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 300)),
        st.tuples(st.just("take"), st.integers(1, 1000)),
        st.tuples(
            st.just("offer"),
            st.integers(1, 300),
            st.sampled_from("AB"),
            st.sampled_from([None, None, 1, 2, 3]),
        ),
    ),
    max_size=120,
)


@settings(deadline=None)
@given(steps=STEPS, bound=st.integers(1, 5000), most=st.integers(1, 6))
def test_it_does_what_a_list_that_is_searched_does(
    steps: list[tuple[object, ...]], bound: int, most: int
) -> None:
    """For any program, both have the same frames in the same order, the same drops, and the same size."""
    queue, naive = Counting(bound), Naive(bound)
    for frame, step in enumerate(steps):
        match step:
            case ("put", int(size)):
                assert queue.put("t", frame, size) == naive.put(frame, size)
            case ("offer", int(size), str(owner), key):
                queue.offer(owner, frame, size, owner=owner, key=key, most=most)
                naive.offer(frame, size, owner, key, most)
            case (_, int(limit)):
                assert queue.take(limit) == naive.take(limit)
            case _:
                raise AssertionError(step)
        assert (len(queue), queue.size) == (len(naive.lines), naive.size)
        assert queue.drops == naive.drops
        undroppable = [line.size for line in naive.lines if line.owner is None]
        assert queue.kept == sum(undroppable) + COST * len(undroppable)
        assert queue.size <= max(bound, queue.kept)
    assert queue.take(10**9) == naive.take(10**9)
