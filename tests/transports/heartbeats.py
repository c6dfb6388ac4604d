"""A heartbeat as bytes, and a check that a client's heartbeat is answered."""

from __future__ import annotations

from typing import Final

from tests.support.raw import TEXT, RawClient, client_frame

__all__ = ["BEAT", "BEATEN", "is_alive"]

BEAT: Final = b'[null,"9","phoenix","heartbeat",{}]'
BEATEN: Final = '[null,"9","phoenix","phx_reply",{"status":"ok","response":{}}]'


async def is_alive(client: RawClient) -> None:
    """Check that nothing was sent, and that the connection works."""
    client.send(client_frame(TEXT, BEAT))
    assert await client.text() == BEATEN
