"""The server of a deploy: `bennu run tests.interop.deploys:endpoint`.

The publisher has its own socket, which stays open until the server stops. The rate at which clients are closed
comes from the environment.
"""

from __future__ import annotations

import os
import time

from bennu import Channel, Drain, Endpoint, Ok, Socket, on

__all__ = ["endpoint"]


class Numbers(Channel[None]):
    """Sends published numbers to its client. The server prints when a client is closed."""

    async def terminate(self, reason: str | Exception) -> None:
        print(f"{reason} at {time.monotonic():.6f}")  # noqa: T201 - the test reads this output


class Publisher(Channel[None]):
    """Publishes the numbers."""

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
            longpoll=True,  # no client should have to use it
            log=False,
        ),
        "/publisher": Socket(
            connect=lambda: None, channels={"publisher": Publisher}, drain=False, log=False
        ),
    },
    health="/health",
)
