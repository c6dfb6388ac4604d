"""The heartbeat: a connection is dead if a heartbeat has no answer for a whole interval."""

from __future__ import annotations

from bennu.client.pulse import Beat, Pulse


def test_an_answered_heartbeat_is_followed_by_the_next() -> None:
    pulse = Pulse()
    assert pulse.due("1") is Beat.SEND
    assert pulse.heard("1")
    assert pulse.due("2") is Beat.SEND


def test_a_heartbeat_without_an_answer_is_the_end() -> None:
    pulse = Pulse()
    assert pulse.due("1") is Beat.SEND
    assert not pulse.heard("2")
    assert pulse.due("3") is Beat.DEAD


def test_a_message_without_a_ref_is_no_answer() -> None:
    """Also before the first heartbeat, when none is pending."""
    pulse = Pulse()
    assert not pulse.heard(None)
    pulse.due("1")
    assert not pulse.heard(None)


def test_an_answer_counts_once() -> None:
    pulse = Pulse()
    pulse.due("1")
    assert pulse.heard("1")
    assert not pulse.heard("1")
