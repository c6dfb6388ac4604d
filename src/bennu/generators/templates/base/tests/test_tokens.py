"""The tokens that open the socket."""

from __future__ import annotations

from typing import Final

import pytest
from bennu import Refused
from bennu.phoenix import token

from my_app import tokens
from my_app.users import User

ANN: Final = User("1", "Ann")
SECRET: Final = "a secret for tests alone"
CLAIMS: Final = {"id": "1", "name": "Ann"}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "secret_key", lambda: SECRET)


def test_a_token_carries_its_user() -> None:
    assert tokens.read(tokens.issue(ANN)) == ANN


def test_an_old_token_is_refused() -> None:
    old = token.sign(SECRET, tokens.PURPOSE, CLAIMS, signed_at=1_000_000_000)
    with pytest.raises(token.TokenExpired):
        tokens.read(old)


def test_a_token_for_another_purpose_is_refused() -> None:
    with pytest.raises(token.TokenInvalid):
        tokens.read(token.sign(SECRET, "reset password", CLAIMS))


def test_a_token_of_an_older_version_is_refused() -> None:
    with pytest.raises(Refused, match="token_invalid"):
        tokens.read(token.sign(SECRET, tokens.PURPOSE, {"id": 1}))


def test_no_token_is_refused() -> None:
    with pytest.raises(token.TokenMissing):
        tokens.read(None)
