"""A publisher numbers its messages, says which topics are quiet, and forgets idle ones."""

from __future__ import annotations

from bennu.bus.numbers import IN_RUN, RUN_SHIFT, Numbers, Stream


def keys(streams: list[Stream]) -> list[object]:
    return [stream.key for stream in streams]


def test_each_stream_has_numbers_of_its_own() -> None:
    numbers = Numbers()
    assert [numbers.next(key) for key in ("a", ("a", "two"), "a", "b")] == [1, 1, 2, 1]
    assert numbers.mark("a") == 2
    assert numbers.mark("c") == 0
    assert "a" in numbers
    assert "c" not in numbers
    assert dict(numbers.marks()) == {"a": 2, ("a", "two"): 1, "b": 1}


def test_a_stream_that_goes_on_needs_no_mark() -> None:
    numbers = Numbers()
    numbers.next("a")
    numbers.next("b")
    assert numbers.quiet() == []
    numbers.next("a")
    numbers.next("a")
    assert keys(numbers.unmarked()) == ["a", "b"]
    assert keys(numbers.quiet()) == ["b"]
    assert keys(numbers.quiet()) == ["a"]
    assert numbers.quiet() == []
    assert numbers.unmarked() == []


def test_the_streams_since_a_turn() -> None:
    numbers = Numbers()
    for turn in range(4):
        assert numbers.turn == turn
        numbers.next(f"{turn}")
        numbers.quiet()
    numbers.next("0")
    assert keys(numbers.since(3)) == ["0", "3"]
    assert keys(numbers.since(-5)) == ["0", "3", "2", "1"]
    assert numbers.since(5) == []


def test_idle_streams_are_forgotten_and_begin_a_new_run() -> None:
    numbers = Numbers(limit=100)
    for number in range(101):
        numbers.next(f"{number}")
    numbers.quiet()
    assert len(numbers) == 101  # they are not idle yet
    assert numbers.forgotten == -1
    for _ in range(11):
        numbers.next("0")
        numbers.quiet()
    assert len(numbers) == 75
    assert numbers.forgotten == 0
    assert "0" in numbers
    assert "1" not in numbers
    number = numbers.next("1")
    assert number > numbers.mark("0")
    assert (number >> RUN_SHIFT, number & IN_RUN) == (1, 1)
    assert numbers.next("100") == 2  # it was kept, in its run
