"""The reasons of Bennu with which a connect, a join and a push can be refused."""

from __future__ import annotations

import pytest

from bennu.contracts.answers import (
    ConnectFacts,
    EventFacts,
    connect_reasons,
    has_bytes,
    join_reasons,
    push_reasons,
)
from bennu.reasons import Reason


def test_what_is_switched_off_is_no_reason() -> None:
    assert push_reasons(EventFacts()) == (Reason.UNMATCHED_TOPIC,)
    assert len(join_reasons(EventFacts())) == 4
    assert connect_reasons(ConnectFacts()) == (Reason.UNSUPPORTED_VSN, Reason.DRAINING)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (EventFacts(is_checked=True), Reason.INVALID_PAYLOAD),
        (EventFacts(has_rate=True), Reason.RATE_LIMITED),
        (EventFacts(is_idempotent=True), Reason.STILL_RUNNING),
        (EventFacts(has_bytes=True), Reason.BINARY_UNSUPPORTED),
        (EventFacts(tracks=True), Reason.PRESENCE_KEY),
    ],
)
def test_a_push(facts: EventFacts, reason: Reason) -> None:
    assert reason in push_reasons(facts)


def test_a_join_of_a_topic_with_history() -> None:
    assert Reason.HISTORY_UNAVAILABLE in join_reasons(EventFacts(needs_store=True))


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (ConnectFacts(is_checked=True), Reason.INVALID_PARAMS),
        (ConnectFacts(has_id=True), Reason.INVALID_ID),
        (ConnectFacts(has_limits=True), Reason.TOO_MANY_CONNECTIONS),
        (ConnectFacts(has_tokens=True), Reason.TOKEN_EXPIRED),
        (ConnectFacts(has_keys=True), Reason.KEYS_UNAVAILABLE),
    ],
)
def test_a_connect(facts: ConnectFacts, reason: Reason) -> None:
    assert reason in connect_reasons(facts)


def test_bytes_in_a_type() -> None:
    assert has_bytes(bytes)
    assert has_bytes(bytes | None)
    assert not has_bytes(int)
