"""The judge of a run without history finds each loss that has no name."""

from __future__ import annotations

from typing import Any

import pytest

from .plain import PlainVerdict, Visit, judge_plain

TOPIC = "plain:1"


def account(**changes: Any) -> dict[str, Any]:
    """Return the account of a node with a witness and one client, on which four messages were passed on."""
    names = ("own", "handled", "waiting", "behind", "cut", "lost")
    return {
        "messages": 4,
        "due": 8,
        "delivered": 8,
        "dropped": {},
        **dict.fromkeys(names, 0),
        **changes,
    }


def visit(client: str, *got: int, is_cut: bool = False) -> Visit:
    return Visit(client, 0, TOPIC, is_cut, [f"ben.-{one}" for one in got])


def judged(*visits: Visit, said: int = 4, **changes: Any) -> PlainVerdict:
    """Judge a run with one node, whose witness has got all four messages."""
    witness = visit("witness-0.", 1, 2, 3, 4)
    return judge_plain(
        [witness, *visits], {0: {TOPIC: account(**changes)}}, {TOPIC: said}, "witness"
    )


def test_a_run_in_which_all_have_everything_has_no_loss() -> None:
    verdict = judged(visit("ann.", 1, 2, 3, 4))
    assert (verdict.wrong, verdict.taken, verdict.in_flight) == ([], 8, 0)


def test_what_a_cut_has_taken_and_what_the_bus_has_lost_has_a_name() -> None:
    verdict = judged(visit("ann.", 2, 3, is_cut=True), said=6, lost=2, due=7, delivered=7)
    assert (verdict.wrong, verdict.in_flight, verdict.lost) == ([], 1, 2)


def test_what_was_dropped_has_a_name() -> None:
    verdict = judged(visit("ann.", 1, 4), delivered=6, dropped={"slow_oldest": 2})
    assert (verdict.wrong, dict(verdict.dropped)) == ([], {"slow_oldest": 2})


def test_what_a_client_has_said_to_others_may_be_missing() -> None:
    visits = [Visit(name, 0, TOPIC, got=["ben.-1", "ann.!2", "ben.-3"]) for name in ("witness-0.",)]
    visits.append(Visit("ann.", 0, TOPIC, got=["ben.-1", "ben.-3"]))
    accounts = {0: {TOPIC: account(messages=3, due=6, delivered=5, own=1)}}
    assert judge_plain(visits, accounts, {TOPIC: 3}, "witness").wrong == []


@pytest.mark.parametrize(
    ("got", "changes", "said", "is_cut", "wrong"),
    [
        ((1, 2, 4), {"delivered": 7, "due": 7}, 4, True, "has a hole of 1 messages"),
        ((1, 2, 3), {"delivered": 7}, 4, True, "is not balanced"),
        ((1, 2, 3), {}, 4, False, "8 are delivered, and 7 have come"),
        ((1, 2, 3, 4), {"delivered": 7, "due": 7}, 4, True, "and only 7 are delivered"),
        ((1, 2, 3, 4), {}, 5, False, "4 messages and 0 lost are not the 5"),
        ((1, 3, 2, 4), {}, 4, False, "repeats, or a wrong order"),
        ((1, 2, 2, 3), {}, 4, False, "repeats, or a wrong order"),
        ((1, 2, 3, 9), {}, 4, False, "repeats, or a wrong order"),
        ((1, 2, 3, 4), {"messages": 5}, 5, False, "the witness has got 4 messages"),
    ],
)
def test_a_loss_without_a_name_is_wrong(
    got: tuple[int, ...], changes: dict[str, int], said: int, is_cut: bool, wrong: str
) -> None:
    sentences = judged(visit("ann.", *got, is_cut=is_cut), said=said, **changes).wrong
    assert any(wrong in sentence for sentence in sentences), sentences
