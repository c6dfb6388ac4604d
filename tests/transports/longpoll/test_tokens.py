"""The tokens of polling sessions."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bennu.transports.longpoll.tokens import SessionName, SessionTokens

SECRET = "a secret of at least 20 bytes"
NAME = SessionName("phx:lp:abc", "/socket", "web-1")
TOKENS = SessionTokens(SECRET)
GOOD = TOKENS.make(NAME, math.inf)


@given(st.text(), st.text(), st.text())
def test_what_was_put_into_a_token_comes_out(topic: str, mount: str, node: str) -> None:
    """The characters need no escapes in a query."""
    token = TOKENS.make(SessionName(topic, mount, node), 60)
    assert TOKENS.read(token) == (topic, mount, node)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_a_changed_token_is_none(position: int, character: str) -> None:
    """This holds for each character."""
    changed = GOOD[:position] + character + GOOD[position + 1 :]
    assert (TOKENS.read(changed) is not None) is (changed == GOOD)


@pytest.mark.parametrize(
    "token", [None, "", ".", "a", "a.b", "é", GOOD + "=", GOOD + ".a", GOOD[:-1]]
)
def test_what_is_no_token_is_none(token: Any) -> None:
    assert TOKENS.read(token) is None


@pytest.mark.parametrize(
    ("max_age", "later", "is_good"), [(60, 60, True), (60, 61, False), (math.inf, 10**9, True)]
)
def test_a_token_has_an_age(
    max_age: float, later: int, is_good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    token = TOKENS.make(NAME, max_age)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0 + later)
    assert TOKENS.read(token) == (NAME if is_good else None)


def test_secrets_can_be_rotated() -> None:
    """The first secret signs, and each is accepted."""
    both = SessionTokens(["the secret from now on", SECRET])
    assert both.read(GOOD) == NAME
    assert SessionTokens("the secret from now on").read(both.make(NAME, 60)) == NAME
    assert TOKENS.read(both.make(NAME, 60)) is None


def test_without_a_secret_nobody_else_reads_a_token() -> None:
    alone = SessionTokens()
    assert alone.read(alone.make(NAME, 60)) == NAME
    assert SessionTokens().read(alone.make(NAME, 60)) is None
