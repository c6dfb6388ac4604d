"""Secrets."""

from __future__ import annotations

from bennu.generators.secret import new_secret
from bennu.secret_key import secrets_of


def test_a_secret_is_new_and_long_enough() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert len(one) == 64
    assert secrets_of(one)
