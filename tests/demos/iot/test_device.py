"""Real devices and a real server, through a proxy that cuts connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bennu import Endpoint
from bennu.client import Backoff, Client, RemoteChannel
from bennu_demos.iot.agent import Agent
from bennu_demos.iot.app import make
from bennu_demos.iot.device import Machine, Simulation, simulate
from bennu_demos.iot.secret import read_secret, token_of
from bennu_demos.iot.store import POINTS
from bennu_demos.iot.wire import Command, Hello, Reading, Result
from tests.recovery.proxy import Proxy
from tests.support.servers import Server, serve
from tests.support.until import pause, until

from .conftest import SECRET

pytestmark = pytest.mark.clock("real")

SOON = Backoff((0.01,))


class Counter:
    """A device that counts: its temperatures are 0, 1, 2."""

    def __init__(self) -> None:
        self.readings = 0
        self.obeyed: list[str] = []

    def measure(self, at: int) -> Reading:
        self.readings += 1
        return Reading(at, self.readings % 100, 50, 0, 0)

    def obey(self, command: Command) -> Result:
        self.obeyed.append(command.id)
        return Result(command.id, is_ok=True, text=command.name)


class Watcher:
    """A page as a Python client.

    Attributes:
        points: The temperatures of each device by their time.
        states: The state of each command.
    """

    def __init__(self, url: str) -> None:
        self.points: dict[str, dict[int, float]] = {}
        self.states: dict[str, str] = {}
        self.client = Client(url, params={"name": "Ann"})
        self.room: RemoteChannel = self.client.channel("fleet")
        self.room.on("changes", self._take)
        self.room.on_join(self._take)
        self.here = self.room.presence

    def _take(self, payload: dict[str, Any]) -> None:
        for device in payload["devices"]:
            self.points.setdefault(device["id"], {}).update(dict(device["points"]))
        self.states.update({one["id"]: one["state"] for one in payload["commands"]})

    async def command(self, number: int, device: str = "counter", **more: Any) -> str:
        one = f"command-{number:016}"
        new = {"id": one, "device": device, "name": "blink", "value": 3, **more}
        await self.room.push("command", new)
        return one


@pytest.fixture
def endpoint(database: Path) -> Endpoint:
    return make(database, SECRET, grace=0.1)


@pytest.fixture
async def server(endpoint: Endpoint) -> AsyncIterator[Server]:
    async with serve("native", endpoint) as server:
        yield server


@pytest.fixture
async def watcher(server: Server) -> AsyncIterator[Watcher]:
    watcher = Watcher(server.url("/socket"))
    async with watcher.client:
        await watcher.room.join()
        yield watcher


def agent(url: str, body: Counter) -> Agent:
    return Agent(
        url,
        "counter",
        token_of("counter", SECRET),
        Hello("Counter"),
        body,
        interval=0.03,
        reconnect=SOON,
    )


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled(), task.exception()


async def test_no_reading_is_lost_and_no_command_is_obeyed_twice_through_cuts(
    server: Server, watcher: Watcher
) -> None:
    proxy = Proxy(lambda: server.port, Random(1))
    body = Counter()
    device = agent(f"{await proxy.start()}/devices", body)
    running = asyncio.create_task(device.run())
    commands: list[str] = []
    for cut in range(8):
        await until(lambda: "counter" in watcher.here.state)
        commands.append(await watcher.command(cut))
        for _ in range(cut):
            await pause()
        proxy.cut(1.0)
    await until(lambda: all(watcher.states.get(one) == "done" for one in commands))
    sent = body.readings
    await until(lambda: len(watcher.points["counter"]) > sent)
    await ended(running)
    points = sorted(watcher.points["counter"].items())
    values = [round(value) for _, value in points]
    assert values == [number % 100 for number in range(1, len(values) + 1)], "each once, in order"
    assert sorted(body.obeyed) == sorted(commands)
    assert device.lost == 0
    await proxy.stop()


async def test_what_was_measured_without_a_link_comes_later(
    server: Server, watcher: Watcher
) -> None:
    body = Counter()
    device = agent(server.url("/devices"), body)
    for _ in range(120):  # more than two pushes can carry
        device.measure()
    running = asyncio.create_task(device.connect())
    await until(lambda: not device.waiting)
    await until(lambda: 20 in watcher.points.get("counter", {}).values())
    await ended(running)
    values = [round(value) for _, value in sorted(watcher.points["counter"].items())]
    newest = [number % 100 for number in range(121 - POINTS, 121)]
    assert values[-POINTS:] == newest, "the server keeps that many"


async def test_a_device_leaves_in_order_and_a_lost_one_has_a_will(
    server: Server, watcher: Watcher
) -> None:
    device = agent(server.url("/devices"), Counter())
    running = asyncio.create_task(device.run())
    await until(lambda: "counter" in watcher.here.state)
    await ended(running)
    await until(lambda: "counter" not in watcher.here.state)
    will: list[str | None] = []
    watcher.room.on(
        "changes", lambda payload: will.extend(one["will"] for one in payload["devices"])
    )
    vanishing = asyncio.create_task(device.connect_and_vanish(0.3))
    await until(lambda: "counter" in watcher.here.state)
    await vanishing
    await until(lambda: will[-1:] == ["connection lost"])


async def test_a_command_changes_the_interval_and_the_server_reminds_the_device(
    server: Server, watcher: Watcher
) -> None:
    body = Counter()
    first = asyncio.create_task(agent(server.url("/devices"), body).run())
    await until(lambda: "counter" in watcher.here.state)
    one = await watcher.command(1, name="set_interval", value=60)
    await until(lambda: watcher.states.get(one) == "done")
    await ended(first)
    again = Counter()
    device = agent(server.url("/devices"), again)  # a restart of the device: it has forgotten
    second = asyncio.create_task(device.connect())
    device.measure()
    await until(lambda: not device.waiting)
    keeping = asyncio.create_task(device.keep_measuring())
    await until(lambda: again.readings == 2)
    for _ in range(10):
        await pause()
    assert again.readings == 2, "the next one comes in a minute"
    await ended(keeping)
    await ended(second)


async def test_simulated_devices_drive_answer_and_end(
    server: Server, watcher: Watcher, tmp_path: Path
) -> None:
    simulation = Simulation(SECRET, 4, tmp_path / "lock")
    second = Simulation(SECRET, 4, tmp_path / "lock")
    simulation.start(server.url("/devices"))
    second.start(server.url("/devices"))  # another worker: it has none
    await until(lambda: len(watcher.here.state) == 4)
    await until(lambda: len(watcher.points) == 4)
    answered = await watcher.command(1, "mower-1")
    deaf = await watcher.command(2, "sprayer-3", limit=1)
    await until(lambda: watcher.states.get(answered) == "done")
    await until(lambda: watcher.states.get(deaf) == "timed out")
    await second.stop()
    await simulation.stop()
    await until(lambda: not watcher.here.state)


async def test_the_program_runs_devices(server: Server, watcher: Watcher) -> None:
    running = asyncio.create_task(simulate(server.url("/devices"), SECRET, 3, first=101))
    await until(lambda: len(watcher.here.state) == 3)
    await ended(running)


def test_a_machine_stays_on_the_plan_and_never_runs_dry() -> None:
    machine = Machine(Random(1))
    readings = [machine.measure(1 + 5000 * number) for number in range(5000)]
    assert all(0 <= one.x <= 1000 and 0 <= one.y <= 600 for one in readings)
    assert all(10 < one.battery <= 100 for one in readings)
    assert len({(one.x, one.y) for one in readings}) > 1000


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    secret = read_secret(tmp_path)
    assert len(secret) > 40
    assert read_secret(tmp_path) == secret
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
