"""An application with a dashboard, and what a page does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bennu import Channel, Dashboard, Endpoint, Presence, Socket, on
from bennu.dashboard.names import FIGURES
from bennu.testing import TestChannel, connect, running

__all__ = ["PASSWORD", "SECRET", "Room", "browser", "log_in", "make", "page", "pass_of"]

PASSWORD = "correct horse battery"
SECRET = "a secret of at least twenty bytes"


class Room(Channel[str]):
    """A room in which people speak."""

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast("said", payload)
        return {}

    @on("hold")
    async def hold(self) -> None:
        """Last until the channel ends."""
        await asyncio.get_running_loop().create_future()


def make(dashboard: Dashboard | None = None, **options: Any) -> Endpoint:
    """Return an endpoint with rooms and a dashboard."""
    socket = Socket(
        connect=lambda params: params.get("name", ""),
        id=lambda name: f"users:{name}" if name else None,
        channels={"room:*": Room},
    )
    return Endpoint(
        sockets={"/socket": socket},
        dashboard=Dashboard(password=PASSWORD) if dashboard is None else dashboard,
        secret_key=SECRET,
        presence=Presence(),
        **options,
    )


@asynccontextmanager
async def browser(
    endpoint: Endpoint, client: tuple[str, int] = ("127.0.0.1", 5000), host: str = "localhost"
) -> AsyncIterator[httpx.AsyncClient]:
    """Start an endpoint, and send it requests. Cookies are kept."""
    transport = httpx.ASGITransport(endpoint, client=client)
    async with (
        running(endpoint),
        httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http,
    ):
        yield http


async def log_in(http: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    """Send a password."""
    return await http.post("/dashboard/login", json={"password": password})


async def pass_of(endpoint: Endpoint) -> str:
    """Log in, and return a pass for the socket."""
    async with browser(endpoint) as http:
        await log_in(http)
        token: str = (await http.post("/dashboard/pass")).json()["token"]
        return token


@asynccontextmanager
async def page(endpoint: Endpoint, topic: str = FIGURES) -> AsyncIterator[TestChannel]:
    """Open a page: log in, connect, and join."""
    async with running(endpoint):
        token = await pass_of(endpoint)
        async with connect(endpoint, "/dashboard/socket", {"token": token}) as client:
            yield await client.join(topic)
