"""The payloads between devices, the server and the page. Times are milliseconds since 1970."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

__all__ = [
    "MAX_BATCH",
    "Accepted",
    "Changes",
    "Command",
    "CommandOut",
    "CommandState",
    "DeviceOut",
    "Hello",
    "NewCommand",
    "Operator",
    "Point",
    "Reading",
    "Result",
    "Snapshot",
    "Telemetry",
    "Welcome",
]

MAX_BATCH: Final = 50
"""The most readings of one push."""

CommandName = Literal["blink", "set_interval"]
CommandState = Literal["pending", "done", "failed", "timed out"]
Point = tuple[int, float]
"""A time and a temperature."""


# Between a device and the server.


class Hello(Struct):
    """The parameters of a device's join.

    Attributes:
        name: What the page calls it.
        will: What the page says if the connection is lost: the last will of MQTT.
    """

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    will: Annotated[str, Meta(max_length=80)] = "connection lost"


class Welcome(Struct):
    """The answer to a device's join.

    Attributes:
        last_at: The time of the newest reading that the server has; the device forgets the readings up to it.
        interval: The seconds between two readings; None if no operator has set them.
    """

    last_at: int
    interval: float | None


class Reading(Struct):
    """What a device has measured.

    Attributes:
        at: The time by the clock of the device. It is greater than that of the reading before.
        battery: In percent.
        x: The place on the plan, from 0 to 1000.
        y: The place on the plan, from 0 to 600.
    """

    at: Annotated[int, Meta(ge=1, le=2**53)]
    temperature: Annotated[float, Meta(ge=-90, le=150)]
    battery: Annotated[float, Meta(ge=0, le=100)]
    x: Annotated[float, Meta(ge=0, le=1000)]
    y: Annotated[float, Meta(ge=0, le=600)]


class Telemetry(Struct):
    """Readings, the oldest first."""

    readings: Annotated[list[Reading], Meta(min_length=1, max_length=MAX_BATCH)]


class Accepted(Struct):
    """The answer to telemetry: the server has all readings up to this time."""

    last_at: int


class Command(Struct):
    """A command to a device.

    Attributes:
        id: The device obeys a command with this id once, however often it comes.
        left: The seconds until its deadline. The clock of a device can be wrong.
    """

    id: str
    name: CommandName
    value: float
    left: float


class Result(Struct):
    """What a device says of a command."""

    id: Annotated[str, Meta(max_length=64)]
    is_ok: bool
    text: Annotated[str, Meta(max_length=200)]


# Between the page and the server.


class Operator(Struct):
    """The parameters of the page's socket. A real application would require a login."""

    name: Annotated[str, Meta(min_length=1, max_length=40)]


class NewCommand(Struct):
    """A command of an operator.

    Attributes:
        id: The page chooses it. If no reply comes, the page can send the command again with the same id.
        value: Seconds, for both commands.
        limit: The seconds in which the device must answer.
    """

    id: Annotated[str, Meta(min_length=16, max_length=64)]
    device: Annotated[str, Meta(max_length=64)]
    name: CommandName
    value: Annotated[float, Meta(ge=1, le=60)]
    limit: Annotated[float, Meta(ge=1, le=300)] = 30


class DeviceOut(Struct):
    """A device with its last values.

    Attributes:
        at: The time of the newest reading; 0 without one, and then the values mean nothing.
        will: Why it is away, if its connection was lost; None otherwise.
        points: In a snapshot the latest temperatures; in changes those that are new.
    """

    id: str
    name: str
    at: int
    temperature: float
    battery: float
    x: float
    y: float
    interval: float | None
    will: str | None
    points: list[Point]


class CommandOut(Struct):
    """A command with its state.

    Attributes:
        by: The name of the operator.
        answer: What the device said. It can come after the deadline.
    """

    id: str
    device: str
    name: CommandName
    value: float
    by: str
    sent_at: int
    deadline: int
    state: CommandState
    answer: str | None
    answered_at: int | None


class Snapshot(Struct):
    """The answer to the join of the page: all devices with their last values, and the latest commands.

    Attributes:
        now: The time of the server.
    """

    now: int
    devices: list[DeviceOut]
    commands: list[CommandOut]


class Changes(Struct):
    """What has changed since the snapshot or the changes before."""

    devices: list[DeviceOut]
    commands: list[CommandOut]
