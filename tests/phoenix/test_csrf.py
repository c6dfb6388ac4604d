"""Tokens for pages: made of a session, which keeps what they are checked against."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.phoenix import csrf


def test_a_token_is_good_for_the_session_that_it_was_made_of() -> None:
    """Each page gets another; the session changes once."""
    session: dict[str, Any] = {"user": 7}
    first, second = csrf.token_for(session), csrf.token_for(session)
    assert first != second
    assert session.keys() == {"user", "_csrf_token"}
    assert csrf.is_valid(session, first)
    assert csrf.is_valid(session, second)
    assert not csrf.is_valid({}, first)
    assert not csrf.is_valid({"_csrf_token": csrf.token_for({})[32:]}, first)


def test_the_key_in_the_session_may_be_another() -> None:
    session: dict[str, Any] = {}
    token = csrf.token_for(session, "mine")
    assert session.keys() == {"mine"}
    assert csrf.is_valid(session, token, "mine")
    assert not csrf.is_valid(session, token)


@pytest.mark.parametrize("junk", [None, 7, "short", "ä" * 24])
def test_what_is_no_state_is_replaced(junk: Any) -> None:
    """It may be left from something else."""
    session = {"_csrf_token": junk}
    assert csrf.is_valid(session, csrf.token_for(session))
