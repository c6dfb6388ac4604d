"""The account of a run adds up, or says what is wrong."""

from __future__ import annotations

from .ledger import Ledger

CLIENTS = {"a": ["a/0", "a/1"], "b": ["b/0"]}


def filled(*numbers: int) -> Ledger:
    """Return a ledger in which each client received these messages of the node ``a`` in ``t``."""
    ledger = Ledger()
    for client in ("a/0", "a/1", "b/0"):
        for number in numbers:
            ledger.receive(client, "a", "t", number)
    return ledger


def test_what_was_received_is_what_was_published() -> None:
    account = filled(1, 2).account({"a": {"t": 2}}, {}, CLIENTS)
    assert (account.published, account.received, account.counted) == (6, 6, 0)
    assert not account.wrong


def test_a_loss_must_be_counted_by_the_node_that_missed_it() -> None:
    """The client of node b got one message less, and its node says so."""
    ledger = filled(1)
    for client in CLIENTS["a"]:
        ledger.receive(client, "a", "t", 2)
    [sentence] = ledger.account({"a": {"t": 2}}, {}, CLIENTS).wrong
    assert "b/0 on b: a published 2 in t, received 1, counted 0" in sentence
    account = ledger.account({"a": {"t": 2}}, {"b": [["a", "t", 1, "gap"]]}, CLIENTS)
    assert not account.wrong
    assert account.counted == 1


def test_a_loss_that_was_none_is_wrong() -> None:
    account = filled(1, 2).account({"a": {"t": 2}}, {"b": [["a", "t", 1, "gap"]]}, CLIENTS)
    assert account.wrong


def test_a_node_does_not_miss_its_own_messages() -> None:
    account = filled(1).account({"a": {"t": 2}}, {"a": [["a", "t", 1, "gap"]]}, {"a": ["a/0"]})
    assert account.wrong


def test_the_tail_of_a_killed_node_must_be_reported_as_unknown() -> None:
    """Nobody knows what it published last."""
    ledger = filled(1)
    living = {"b": ["b/0"]}
    assert "unknown tail of a" in ledger.account({}, {}, living).wrong[0]
    account = ledger.account({}, {"b": [["a", None, None, "tail"]]}, living)
    assert not account.wrong
    assert account.unknown == 1


def test_a_message_that_comes_twice_or_late_is_wrong() -> None:
    ledger = filled(2)
    ledger.receive("a/0", "a", "t", 2)
    ledger.receive("a/0", "a", "t", 1)
    assert [*ledger.wrong] == ["a/0 got 2 of a in t after 2", "a/0 got 1 of a in t after 2"]


def test_clients_of_one_node_must_have_received_the_same() -> None:
    ledger = filled(1)
    assert not ledger.differences(CLIENTS)
    ledger.receive("a/1", "a", "t", 2)
    assert ledger.differences(CLIENTS) == ["clients of a differ"]
