"""The server that is deployed: `bennu run tests.interop.deploys:endpoint`.

Whoever publishes does so on a socket of its own, which stays until the server stops. How fast clients
leave comes from the environment.
"""

from __future__ import annotations

import os
import time

from bennu import Channel, Drain, Endpoint, Ok, Socket, on

__all__ = ["endpoint"]


class Numbers(Channel[None]):
    """Numbers that somebody publishes. Its server tells when a client is let go."""

    async def terminate(self, reason: str | Exception) -> None:
        print(f"{reason} at {time.monotonic():.6f}")  # noqa: T201 - the test reads it


class Publisher(Channel[None]):
    """It publishes them."""

    @on("publish")
    async def publish(self, payload: dict[str, int]) -> Ok:
        await self.endpoint.broadcast("numbers", "number", payload)
        return Ok()


DRAIN = Drain(
    batch_size=int(os.environ.get("BATCH_SIZE", "10")),
    batch_interval=float(os.environ.get("BATCH_INTERVAL", "1.0")),
)

endpoint = Endpoint(
    sockets={
        "/socket": Socket(
            connect=lambda: None,
            channels={"numbers": Numbers},
            drain=DRAIN,
            longpoll=True,  # which no client shall have to use
            log=False,
        ),
        "/publisher": Socket(
            connect=lambda: None, channels={"publisher": Publisher}, drain=False, log=False
        ),
    },
    health="/health",
)
