"""Words are completed by what the console has seen."""

from __future__ import annotations

import pytest

from bennu.console.completion import MOST_NAMES, Completer


@pytest.fixture
def completer() -> Completer:
    made = Completer()
    made.topics |= dict.fromkeys(["room:1", "room:2", "my room", "a\nb"])
    for event in ("new_msg", "new_user", "typing", '"odd'):
        made.saw("room:1", event)
    return made


@pytest.mark.parametrize(
    ("line", "word", "found"),
    [
        ("pu", "pu", ["push"]),
        ("push", "push", []),
        ("le", "le", ["leave"]),
        ("leave ", "", ["room:1", "room:2"]),
        ("push room:", "room:", ["room:1", "room:2"]),
        ("push room:1 new", "new", ["new_msg", "new_user"]),
        ("wait room:1 ", "", ["new_msg", "new_user", "typing"]),
        ("push room:2 ", "", []),
        ("push room:1 new_msg ", "", []),
        ("watch ", "", ["events", "frames", "off"]),
        ("help di", "di", ["disconnect"]),
        ("topics ", "", []),
    ],
)
def test_candidates(completer: Completer, line: str, word: str, found: list[str]) -> None:
    assert completer.candidates(line) == (word, found)


def test_the_names_have_a_bound() -> None:
    completer = Completer()
    for number in range(MOST_NAMES + 5):
        completer.saw("room:1", f"event{number}")
    assert len(completer.candidates("push room:1 ")[1]) == MOST_NAMES
