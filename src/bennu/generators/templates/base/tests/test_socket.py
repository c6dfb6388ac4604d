"""Who may connect."""

from __future__ import annotations

import pytest
from bennu.testing import ConnectRefused, connect

from my_app.endpoint import endpoint
from my_app.tokens import issue
from my_app.users import User

ANN = User("1", "Ann")


async def test_a_token_says_who_the_user_is() -> None:
    async with connect(endpoint, "/socket", auth_token=issue(ANN)) as client:
        await client.join("room:lobby")
        assert client.assigns == ANN


async def test_nobody_connects_without_a_token() -> None:
    with pytest.raises(ConnectRefused, match="token_missing"):
        async with connect(endpoint, "/socket"):
            pass


async def test_nobody_connects_with_a_forged_token() -> None:
    with pytest.raises(ConnectRefused, match="token_invalid"):
        async with connect(endpoint, "/socket", auth_token=f"{issue(ANN)}x"):
            pass


async def test_a_client_without_auth_tokens_sends_a_parameter() -> None:
    async with connect(endpoint, "/socket", {"token": issue(ANN)}) as client:
        await client.join("room:lobby")
        assert client.assigns == ANN
