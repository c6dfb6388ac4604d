"""The tokens of sockets expire and are renewed, under virtual time."""

from __future__ import annotations

import pytest

from bennu import Endpoint
from bennu.testing import PushRefused, connect, running

from .guests import LOBBY, account, say, token_of

pytestmark = [pytest.mark.clock("virtual"), pytest.mark.usefixtures("virtual_endpoint")]


async def test_connection_ends_with_its_token_unless_it_is_renewed(endpoint: Endpoint) -> None:
    """Before the token expires the page sends the next one, and goes on. A token of somebody else is refused."""
    async with running(endpoint):
        ann, bo = await account(endpoint, "Ann"), await account(endpoint, "Bo")
        token = token_of(endpoint, ann)
        async with (
            connect(endpoint, "/socket", auth_token=token) as fresh,
            connect(endpoint, "/socket", auth_token=token) as stale,
        ):
            lobby = await fresh.join(LOBBY)
            await fresh.renew(token_of(endpoint, ann, seconds=900))
            with pytest.raises(PushRefused, match="token_of_another"):
                await stale.renew(token_of(endpoint, bo))
            await stale.assert_closed(4001, within=400)
            await say(lobby, "Still here")
