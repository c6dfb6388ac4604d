"""Writes what can only be looked at: lengths of queues, memory, and how late the event loop is.

A timer runs four times a second. Its lateness is the lag of the event loop. At each fourth time the gauges are written. The
connections are looked at in parts, so that 50,000 connections don't hold the event loop: then a look at all of them takes some
seconds.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..metrics.families import ANY, ChannelLabels
from ..metrics.tallies import Tallies
from ..presence import Presence
from ..server.server import Server
from .queues import QueueLook

if TYPE_CHECKING:
    from ..history.logs import Logs

__all__ = ["Sampler", "resident_memory"]

TICK: Final = 0.25
"""Seconds between two runs of the timer."""

EVERY: Final = 4
"""Runs of the timer for each sample."""

STATM: Final = Path("/proc/self/statm")


class Sampler:
    """Writes the gauges of one endpoint.

    Args:
        server: The endpoint's server.
        tallies: The tallies, which have the words.
        channels: The labels of each channel definition, by its identity.
        presences: The presences of the endpoint.
        logs: The logs of topics with history; None without history.
    """

    def __init__(
        self,
        server: Server,
        tallies: Tallies,
        channels: Mapping[int, ChannelLabels],
        presences: Sequence[Presence],
        logs: Logs | None,
    ) -> None:
        self._server = server
        self._tallies = tallies
        self._channels = channels
        self._presences = presences
        self._logs = logs
        self._loop = server.loop
        self._runs = 0
        self._look: QueueLook | None = None
        self._due = self._loop.time() + TICK
        self._timer: asyncio.TimerHandle = self._loop.call_at(self._due, self._run)
        self.sample()

    def stop(self) -> None:
        """Stop, and write that this process serves no more."""
        self._timer.cancel()
        self._tallies.set("bennu_workers", 0)

    def _run(self) -> None:
        now = self._loop.time()
        self._tallies.observe("bennu_loop_lag_seconds", max(0.0, now - self._due))
        self._due = now + TICK
        self._timer = self._loop.call_at(self._due, self._run)
        self._runs += 1
        if self._look is not None:
            self._go_on(self._look)
        elif self._runs % EVERY == 0:
            self.sample()

    def sample(self) -> None:
        """Write all gauges. With many connections, those of the connections are written later."""
        self._sample_process()
        self._sample_bus()
        if self._look is None:
            self._go_on(QueueLook(tuple(self._server.connections)))

    def _go_on(self, look: QueueLook) -> None:
        if not look.part():
            self._look = look
            return
        self._look = None
        put = self._tallies.set
        put("bennu_slow_clients", look.slow)
        put("bennu_unsent_bytes", look.bytes)
        put("bennu_unsent_messages", look.messages)
        put("bennu_longest_mailbox", look.longest)
        waiting = {labels[:2]: (0, 0) for labels in self._channels.values()}
        waiting[ANY, ANY] = (0, 0)
        for key, (items, size) in look.boxes.items():
            labels = self._channels[key][:2] if key in self._channels else (ANY, ANY)
            before = waiting[labels]
            waiting[labels] = before[0] + items, before[1] + size
        for labels, (items, size) in waiting.items():
            put("bennu_mailbox_items", items, *labels)
            put("bennu_mailbox_bytes", size, *labels)

    def _sample_process(self) -> None:
        put, server = self._tallies.set, self._server
        put("bennu_workers", 1)
        put("bennu_draining", server.is_draining)
        put("bennu_memory_bytes", resident_memory())
        put("bennu_cpu_seconds", time.process_time())
        put("bennu_tasks", server.tasks)
        for presence in self._presences:
            put("bennu_presences", presence.tracked, presence.name)

    def _sample_bus(self) -> None:
        put, cluster = self._tallies.set, self._server.pubsub.cluster
        if cluster is not None:
            put("bennu_bus_up", cluster.watch.is_up)
            put("bennu_bus_silence_seconds", cluster.watch.silence)
        if self._logs is not None:
            put("bennu_store_up", self._logs.guard.is_up)


def resident_memory(statm: Path = STATM) -> int:
    """Return the resident memory of this process in bytes. Where the system does not list it, the peak."""
    with suppress(OSError, IndexError, ValueError):
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
