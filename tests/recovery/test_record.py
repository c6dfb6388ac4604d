"""The judge of a run finds each broken promise."""

from __future__ import annotations

import pytest

from .record import Record, Seen, Verdict, judge

HEAD = {"room:1": ("k3", 4)}


def record(client: str, *offsets: int, start: int = 0, epoch: str = "k3") -> Record:
    """Return what a client has seen; the message at an offset is called after it."""
    made = Record(client, "room:1")
    made.begin(epoch, start)
    for offset in offsets:
        made.take(Seen(epoch, offset, f"m{offset}"))
    return made


def judged(*records: Record, own: dict[str, str] | None = None) -> Verdict:
    """Judge a run in which all four messages were confirmed."""
    confirmed = {f"m{offset}": "room:1" for offset in (1, 2, 3, 4)}
    return judge(list(records), HEAD, confirmed, own or {})


def test_a_run_in_which_all_have_everything_is_as_promised() -> None:
    verdict = judged(record("ann", 1, 2, 3, 4), record("ben", 3, 4, start=2))
    assert verdict.wrong == []
    assert (verdict.published, verdict.entries, verdict.taken) == (4, 4, 6)


def test_a_client_has_not_its_own() -> None:
    assert not judged(record("ann", 1, 3, 4), record("ben", 1, 2, 3, 4), own={"m2": "ann"}).wrong


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (record("ann", 1, 3, 4), "holes [2]"),
        (record("ann", 1, 2, 3), "holes [4]"),
        (record("ann", 1, 2, 2, 3, 4), "repeats"),
        (record("ann", 2, 1, 3, 4), "wrong order"),
        (record("ann", 3, 4, start=1), "holes [2]"),
        (Record("ann", "room:1"), "never joined"),
        (record("ann", epoch="old"), "ends in the epoch old"),
    ],
)
def test_a_broken_promise_is_found(broken: Record, words: str) -> None:
    verdict = judged(record("ben", 1, 2, 3, 4), broken)
    assert any(words in sentence for sentence in verdict.wrong), verdict.wrong


def test_an_own_message_that_came_back_is_found() -> None:
    verdict = judged(record("ann", 1, 2, 3, 4), record("ben", 1, 2, 3, 4), own={"m2": "ann"})
    assert any("not due [2]" in sentence for sentence in verdict.wrong), verdict.wrong


def test_a_confirmed_message_that_nobody_has_is_found() -> None:
    verdict = judge([record("ann", 1, 2, 3, 4)], HEAD, {"m9": "room:1"}, {})
    assert any("m9 was confirmed" in sentence for sentence in verdict.wrong)


def test_two_messages_at_one_place_are_found() -> None:
    other = Record("ben", "room:1")
    other.begin("k3", 0)
    for offset, name in ((1, "m1"), (2, "x"), (3, "m3"), (4, "m3")):
        other.take(Seen("k3", offset, name))
    sentences = " ".join(judged(record("ann", 1, 2, 3, 4), other).wrong)
    assert "2:k3 is both m2 and x" in sentences
