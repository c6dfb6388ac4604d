"""What a run has counted and measured. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from .histogram import LatencyHistogram

__all__ = ["BenchCounts", "BenchProgress", "BenchResult"]


class BenchCounts(Struct):
    """What has been counted so far. Both engines count the same.

    Attributes:
        opened: Connections that were opened.
        joined: Connections that have joined their topic.
        failed: Connections that could not be opened, or not join.
        lost: Connections, or their channels, that ended during the load.
        pushed: Pushes that were sent.
        replied: Pushes that were answered with ok.
        refused: Pushes that were answered with another status.
        heard: Deliveries of pushes that were broadcast.
        expected: Deliveries if each push is broadcast to all clients of its topic.
        skipped: Pushes that were not sent, because their client was lost.
    """

    opened: int = 0
    joined: int = 0
    failed: int = 0
    lost: int = 0
    pushed: int = 0
    replied: int = 0
    refused: int = 0
    heard: int = 0
    expected: int = 0
    skipped: int = 0

    def is_complete(self, *, hears: bool) -> bool:
        """Return whether all replies, and all deliveries if these count, have come."""
        answered = self.replied + self.refused
        return answered == self.pushed and (not hears or self.heard >= self.expected)

    def misses(self, *, hears: bool) -> bool:
        """Return whether something is missing that has come for other pushes.

        Of a handler that never replies, or that broadcasts to all but the sender, nothing is missing.
        """
        return 0 < self.replied + self.refused < self.pushed or (
            hears and 0 < self.heard < self.expected and self.heard != self.expected - self.pushed
        )


class BenchProgress(Struct, frozen=True):
    """A look at a run.

    Attributes:
        phase: ``opening``, ``load`` or ``draining``.
        seconds: The time since the phase ``opening`` or ``load`` began.
        counts: What has been counted so far.
    """

    phase: str
    seconds: float
    counts: BenchCounts


@dataclass(slots=True)
class BenchResult:
    """The result of a run.

    Attributes:
        engine: ``C`` or ``Python``.
        counts: What was counted.
        planned: The pushes that the plan has for the connections that were ready.
        opening: Seconds until all connections were ready, or had failed.
        seconds: Seconds of the load, without the replies that came afterwards.
        is_whole: Whether the run was not interrupted.
        failure: Why the first connection failed or was lost; empty if none was.
        refusal: Why the first push was refused; empty if none was.
        connect: The times of the handshakes.
        join: The times of the joins.
        reply: The times from a push to its reply with ok.
        delivery: The times from a push to its delivery to one client.
    """

    engine: str
    counts: BenchCounts = field(default_factory=BenchCounts)
    planned: int = 0
    opening: float = 0.0
    seconds: float = 0.0
    is_whole: bool = True
    failure: str = ""
    refusal: str = ""
    connect: LatencyHistogram = field(default_factory=LatencyHistogram)
    join: LatencyHistogram = field(default_factory=LatencyHistogram)
    reply: LatencyHistogram = field(default_factory=LatencyHistogram)
    delivery: LatencyHistogram = field(default_factory=LatencyHistogram)

    @property
    def unanswered(self) -> int:
        """The pushes without a reply."""
        return self.counts.pushed - self.counts.replied - self.counts.refused

    def is_clean(self, *, hears: bool) -> bool:
        """Return whether nothing failed.

        Args:
            hears: Whether deliveries are measured: then a push needs no reply.
        """
        counts = self.counts
        return (
            self.is_whole
            and counts.failed == counts.lost == counts.refused == 0
            and (hears or self.unanswered == 0)
            and counts.pushed == self.planned
        )
