"""Simulated devices, which drive along the paths of the plan.

    python -m bennu_demos.iot.device --count 50 ws://127.0.0.1:4000/devices

Every tenth device loses its connection now and then, and every tenth does not answer commands.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from random import Random
from typing import IO, Final

from bennu_demos.data import data_folder

from .agent import Agent
from .secret import read_secret, token_of
from .wire import Command, Hello, Reading, Result

__all__ = ["Machine", "Simulation", "simulate"]

PLACES: Final = {
    "gate": (80, 520), "yard": (250, 470), "barn": (190, 330), "well": (330, 250), "pond": (160, 120),
    "orchard": (480, 120), "greenhouse": (560, 300), "field": (780, 180), "mill": (880, 360), "dock": (700, 500),
    "crossing": (430, 420),
}  # fmt: skip
"""Places on the plan. index.html draws them."""

PATHS: Final = (
    ("gate", "yard"), ("yard", "barn"), ("barn", "well"), ("barn", "pond"), ("pond", "orchard"), ("well", "orchard"),
    ("well", "crossing"), ("yard", "crossing"), ("crossing", "greenhouse"), ("greenhouse", "orchard"),
    ("orchard", "field"), ("greenhouse", "field"), ("field", "mill"), ("mill", "dock"), ("dock", "crossing"),
)  # fmt: skip

KINDS: Final = (
    "Tractor",
    "Mower",
    "Cart",
    "Sprayer",
    "Probe",
    "Drone",
    "Pump cart",
    "Weather post",
)
SPEED: Final = 12.0
"""Units of the plan in a second."""


class Machine:
    """A simulated device.

    Args:
        random: Chooses where it drives.
        answers: Whether it answers commands.

    Attributes:
        blinks: The number of times that it has blinked.
    """

    def __init__(self, random: Random, *, answers: bool = True) -> None:
        self.blinks = 0
        self._random = random
        self._answers = answers
        self._target = random.choice(sorted(PLACES))
        self._x, self._y = map(float, PLACES[self._target])
        self._temperature = random.uniform(12, 24)
        self._battery = random.uniform(30, 100)
        self._charges = False
        self._at: int | None = None

    def measure(self, at: int) -> Reading:
        """Move for the time since the last reading, and measure."""
        seconds = 0.0 if self._at is None else min((at - self._at) / 1000, 60)
        self._at = at
        self._move(SPEED * seconds)
        self._temperature += self._random.gauss((18 - self._temperature) * 0.02, 0.25)
        self._battery += seconds * (0.8 if self._charges else -0.12)
        if not 15 < self._battery < 100:
            self._charges = self._battery <= 15
        return Reading(
            at,
            round(self._temperature, 1),
            round(min(max(self._battery, 0.0), 100.0), 1),
            round(self._x, 1),
            round(self._y, 1),
        )

    def obey(self, command: Command) -> Result | None:
        """Carry out a command."""
        if not self._answers:
            return None
        if command.name == "blink":
            if self._battery < 16:
                return Result(command.id, is_ok=False, text="battery too low to blink")
            self.blinks += 1
            return Result(command.id, is_ok=True, text=f"blinking for {command.value:g} s")
        return Result(command.id, is_ok=True, text=f"measuring every {command.value:g} s")

    def _move(self, distance: float) -> None:
        while distance > 0:
            x, y = PLACES[self._target]
            rest = math.dist((self._x, self._y), (x, y))
            if distance < rest:
                self._x += (x - self._x) * distance / rest
                self._y += (y - self._y) * distance / rest
                return
            distance -= rest
            self._x, self._y = float(x), float(y)
            self._target = self._random.choice(
                [b if a == self._target else a for a, b in PATHS if self._target in (a, b)]
            )


async def simulate(
    url: str, secret: str, count: int, *, first: int = 1, interval: float = 2.0
) -> None:
    """Run devices until cancelled.

    Args:
        url: The URL of the socket for devices.
        secret: What signs their tokens.
        count: Their number.
        first: The number of the first one.
        interval: Seconds between two readings of a device.
    """
    async with asyncio.TaskGroup() as group:
        for number in range(first, first + count):
            random = Random(number)  # noqa: S311 - where a device drives is no secret
            device = f"{KINDS[number % len(KINDS)].lower().replace(' ', '-')}-{number}"
            machine = Machine(random, answers=number % 10 != 3)
            will = "no answer from the modem" if number % 2 else "out of radio range"
            hello = Hello(f"{KINDS[number % len(KINDS)]} {number}", will)
            agent = Agent(url, device, token_of(device, secret), hello, machine, interval=interval)
            group.create_task(_run(agent, random, has_weak_link=number % 10 == 7))


class Simulation:
    """Simulated devices in the process of a server. Of several workers, one has them.

    Args:
        secret: What signs their tokens.
        count: Their number.
        lock: The path of a file: the process that locks it has the devices.
    """

    def __init__(self, secret: str, count: int, lock: Path) -> None:
        self._secret = secret
        self._count = count
        self._path = lock
        self._lock: IO[bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, url: str) -> None:
        """Start the devices, unless they run."""
        if self._task is not None or not self._count:
            return
        lock = self._path.open("wb")
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            lock.close()
            return
        self._lock = lock
        self._task = asyncio.create_task(simulate(url, self._secret, self._count))

    async def stop(self) -> None:
        """End the devices."""
        if self._task is not None and self._lock is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._lock.close()
            self._task = None


async def _run(agent: Agent, random: Random, *, has_weak_link: bool) -> None:
    await asyncio.sleep(random.uniform(0, 1))  # they do not start at the same moment
    if not has_weak_link:
        await agent.run()
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.keep_measuring())
        while True:
            await agent.connect_and_vanish(random.uniform(20, 40))
            await asyncio.sleep(random.uniform(8, 15))


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("url", help="the socket for devices, such as ws://127.0.0.1:4000/devices")
    parser.add_argument("--count", type=int, default=50, help="the number of devices (default: 50)")
    parser.add_argument(
        "--first", type=int, default=101, help="the number of the first one (default: 101)"
    )
    parser.add_argument(
        "--data", type=Path, help="the folder with the server's secret (default: that of the demo)"
    )
    parser.add_argument(
        "--interval", type=float, default=2.0, help="seconds between two readings (default: 2)"
    )
    options = parser.parse_args()
    secret = read_secret(options.data or data_folder("iot"))
    print(f"{options.count} devices connect to {options.url}; Ctrl-C ends them")  # noqa: T201 - a program for a terminal
    with suppress(KeyboardInterrupt):
        asyncio.run(
            simulate(
                options.url,
                secret,
                options.count,
                first=options.first,
                interval=options.interval,
            )
        )


if __name__ == "__main__":
    main()
