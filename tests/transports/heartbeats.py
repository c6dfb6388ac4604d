"""A heartbeat as bytes, and a check that a client's heartbeat is answered."""

from __future__ import annotations

from typing import Final

from tests.support.frames import encode_v2, heartbeat, ok, reply
from tests.support.raw import TEXT, RawClient, client_frame

__all__ = ["BEAT", "BEATEN", "is_alive"]

BEAT: Final = str(encode_v2(heartbeat("9"))).encode()
BEATEN: Final = reply(None, "9", "phoenix", ok())


async def is_alive(client: RawClient) -> None:
    """Check that nothing was sent, and that the connection works."""
    client.send(client_frame(TEXT, BEAT))
    assert await client.message() == BEATEN
