"""Who may connect."""

from __future__ import annotations

import pytest
from bennu import Endpoint
from bennu.testing import ConnectRefused
from bennu.testing.blocking import connect

from my_app import tokens
from my_app.socket import user_socket
from my_app.users import User

ANN = User("1", "Ann")

endpoint = Endpoint(sockets={"/socket": user_socket})


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "secret_key", lambda: "a secret for tests alone")


def test_a_client_with_a_token_connects() -> None:
    with connect(endpoint, "/socket", auth_token=tokens.issue(ANN)):
        assert endpoint.connections == 1


def test_nobody_connects_without_a_token() -> None:
    with (
        pytest.raises(ConnectRefused, match="token_missing"),
        connect(endpoint, "/socket"),
    ):
        pass


def test_nobody_connects_with_a_forged_token() -> None:
    with (
        pytest.raises(ConnectRefused, match="token_invalid"),
        connect(endpoint, "/socket", auth_token=f"{tokens.issue(ANN)}x"),
    ):
        pass
