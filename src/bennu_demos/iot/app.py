"""The application: the page, a socket for devices, and a socket for the page.

    bennu run bennu_demos.iot.app:app
    bennu run bennu_demos.iot.app:app --workers 2

Environment variables configure it. ``IOT_DEVICES`` is the number of simulated devices, which start with the first visit
of the page (default: 12; 0 for none). ``BENNU_DEMO_DATA`` is the folder for the database and the secret of the devices.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from bennu import ConnectInfo, Endpoint, Limits, Presence, Rates, Socket
from bennu.phoenix import token
from bennu_demos.data import data_folder
from bennu_demos.page import page_of

from .channels import Clock, DeviceChannel, Fleet, FleetChannel, milliseconds
from .device import Simulation
from .secret import SALT, read_secret
from .store import open_store
from .wire import Operator

__all__ = ["app", "endpoint", "make", "page"]

HERE: Final = Path(__file__).parent
GRACE: Final = 2.0
"""Seconds in which a device can connect again without being shown as away."""


def make(
    database: Path,
    secret: str,
    *,
    simulation: Simulation | None = None,
    grace: float = GRACE,
    clock: Clock = milliseconds,
) -> Endpoint:
    """Make the endpoint.

    Args:
        database: The path of the database.
        secret: What signs the tokens of the devices.
        simulation: The simulated devices, which end with the endpoint.
        grace: Seconds after which a device that lost the connection is shown as away.
        clock: The time.
    """
    presence = Presence("devices", grace=grace)

    def enter_device(info: ConnectInfo) -> str:
        """Return the id in the token of a device. Without a valid token it is refused."""
        return str(token.verify(secret, SALT, info.auth_token, max_age=math.inf))

    def enter_page(operator: Operator) -> Operator:
        """Accept everyone. A real application would require a login."""
        return operator

    @asynccontextmanager
    async def open_fleet(endpoint: Endpoint) -> AsyncGenerator[Fleet, None]:
        """Open the database, and tell the pages what changes."""
        async with open_store(database) as store:
            fleet = Fleet(store, presence, clock)
            running = asyncio.create_task(fleet.run(endpoint))
            yield fleet
            running.cancel()
            await asyncio.wait((running,))
            if simulation is not None:
                await simulation.stop()

    devices = Socket(
        connect=enter_device,
        id=lambda device: f"devices:{device}",
        channels={"device:{device}": DeviceChannel},
        auth_token=True,
        timeout=15,  # a device sends a heartbeat every 5 s: a lost link is noticed soon
        max_channels=1,
        max_frame_size=65_536,
        rates=Rates(joins="2/second, burst 10", messages="20/second, burst 100"),
    )
    pages = Socket(
        connect=enter_page,
        channels={"fleet": FleetChannel},
        compress=True,  # a snapshot is long, and compresses well
        max_channels=1,
        max_frame_size=16_384,
    )
    return Endpoint(
        sockets={"/devices": devices, "/socket": pages},
        presence=presence,
        lifespan=open_fleet,
        limits=Limits(connections=5_000, connections_per_ip=1_000),
    )


async def index(request: Request) -> FileResponse:
    """Answer with the page. The first visit starts the simulated devices, because a request knows the address."""
    server = request.scope.get("server")
    if request.url.scheme == "http" and server and server[1]:
        host = f"[{server[0]}]" if ":" in server[0] else server[0]
        simulation.start(f"ws://{host}:{server[1]}/devices")
    return FileResponse(HERE / "static" / "index.html")


folder = data_folder("iot")
secret = read_secret(folder)
simulation = Simulation(secret, int(os.environ.get("IOT_DEVICES") or 12), folder / "simulated")
page = page_of(HERE / "static", Route("/", index))
endpoint = make(folder / "iot.db", secret, simulation=simulation)

# The endpoint answers its own paths, and the page answers all others.
app = endpoint.wrap(page)
