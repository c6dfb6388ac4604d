"""Keeps a connection to JetStream, and the two streams of a store.

A connection is made when it is needed. When it has ended, the calls that wait fail, and the next call connects again. No
call is moved to another connection: the server behind the new one can be another process, which has lost entries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from ...bus.nats.address import NATSAddress
from ...errors import DefinitionError
from .names import JetStreamNames, JetStreamOptions, of_store
from .requests import NOT_FOUND, JetStreamDriver, RefusedRequest

__all__ = ["JetStreamAccess", "JetStreamLink", "Marker"]

CONNECT: Final = 5.0
"""Seconds for one attempt to connect."""

MAX_MARKERS: Final = 10_000
"""Topics whose markers are remembered for appends."""


class Marker:
    """The beginning of an epoch.

    Attributes:
        epoch: The epoch.
        sequence: The number of the marker in the stream. The entries of the epoch have higher numbers.
    """

    __slots__ = ("epoch", "sequence")

    def __init__(self, epoch: str, sequence: int) -> None:
        self.epoch = epoch
        self.sequence = sequence


class JetStreamAccess:
    """A connection whose streams are there.

    Attributes:
        driver: The connection.
        lineage: What the data of the streams descends from.
        size: The most entries of a topic.
        markers: The latest known marker of topics. It can be an old one.
    """

    __slots__ = ("driver", "lineage", "markers", "size")

    def __init__(self, driver: JetStreamDriver) -> None:
        self.driver = driver
        self.lineage = ""
        self.size = 0
        self.markers: dict[str, Marker] = {}

    def remember(self, topic: str, marker: Marker) -> None:
        """Remember the marker of a topic."""
        if len(self.markers) >= MAX_MARKERS:
            del self.markers[next(iter(self.markers))]
        self.markers[topic] = marker


class JetStreamLink:
    """Connects when it is needed.

    Args:
        options: The options of the address.
        names: The names of the streams.
        client: The name of this client in the server's monitoring.
    """

    __slots__ = ("_client", "_names", "_opened", "_opening", "_options")

    def __init__(self, options: JetStreamOptions, names: JetStreamNames, client: str) -> None:
        self._options = options
        self._names = names
        self._client = client
        self._opened: JetStreamAccess | None = None
        self._opening: asyncio.Task[JetStreamAccess] | None = None

    @property
    def fds(self) -> list[int]:
        """The file descriptor of the connection."""
        return self._opened.driver.fds if self._opened is not None else []

    async def access(self) -> JetStreamAccess:
        """Return an open connection. Calls that come while it is made share it.

        Raises:
            OSError: No server can be reached.
            DefinitionError: The address is wrong.
            RefusedRequest: JetStream has refused.
        """
        if self._opened is not None:
            return self._opened
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
            self._opening.add_done_callback(self._done)
        return await asyncio.shield(self._opening)

    def _done(self, task: asyncio.Task[JetStreamAccess]) -> None:
        if self._opening is task:
            self._opening = None
        if not task.cancelled() and task.exception() is None:
            self._opened = task.result()

    async def close(self) -> None:
        """End the connection."""
        task, self._opening = self._opening, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.driver.close()

    async def _open(self) -> JetStreamAccess:
        address: NATSAddress = self._options.address
        access = JetStreamAccess(JetStreamDriver(address, self._client))

        def broken(_: Exception) -> None:
            if self._opened is access:
                self._opened = None

        try:
            async with asyncio.timeout(CONNECT):
                await access.driver.connect(_nobody, broken)
                await self._prepare(access)
        except BaseException:
            await access.driver.close()
            raise
        return access

    async def _prepare(self, access: JetStreamAccess) -> None:
        """Make the streams, unless they are there, and find the lineage."""
        options, names, driver = self._options, self._names, access.driver
        wanted = names.stream_of_logs(options.size, options.replicas)
        found = await _ensure(driver, wanted)
        await _ensure(driver, names.stream_of_keys(options.replicas))
        access.size = found["max_msgs_per_subject"]
        is_alone = found["num_replicas"] < 3
        if is_alone and driver.is_clustered and not options.trusts:
            raise self._wrong(
                "replicas=3, or on_restart=trust: in a cluster Bennu does not notice a restart of the server that keeps"
                " a single replica",
                f"a stream {names.logs} with {found['num_replicas']} replicas",
            )
        access.lineage = driver.server if is_alone and not options.trusts else "-"
        other = [
            one
            for one in ("allow_atomic", "allow_direct", "allow_rollup_hdrs", "republish")
            if found.get(one) != wanted[one]
        ]
        if other or found.get("max_age"):
            raise self._wrong(
                "nats-server 2.12 or newer, and a stream that Bennu has made",
                f"a stream {names.logs} with another {', '.join(other) or 'max_age'}",
            )

    def _wrong(self, expected: str, got: str) -> DefinitionError:
        return of_store(
            DefinitionError(
                f"the bus {self._options.address.shown}",
                expected=expected,
                got=got,
                write='pubsub="nats://one:4222,two:4222,three:4222?replicas=3"',
            )
        )


async def _ensure(driver: JetStreamDriver, wanted: Mapping[str, object]) -> dict[str, Any]:
    """Return the configuration of a stream, which is made if it is not there."""
    name = wanted["name"]
    try:
        answer = await driver.api(f"STREAM.INFO.{name}", {})
    except RefusedRequest as error:
        if error.code not in NOT_FOUND:
            raise
        answer = await driver.api(f"STREAM.CREATE.{name}", wanted)
    config: dict[str, Any] = answer["config"]
    return config


def _nobody(*_: object) -> None:
    """Hear nothing."""
