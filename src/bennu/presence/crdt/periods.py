"""The times of the replication: how often replicas send, and how long they can be silent. Protocol document, §6.6."""

from __future__ import annotations

from dataclasses import dataclass

from ...user_code.options import NUMBER, WHOLE, options

__all__ = ["Periods"]


@options(broadcast=NUMBER, max_silent=WHOLE, down=NUMBER, permdown=NUMBER, clock_samples=WHOLE)
@dataclass(frozen=True, slots=True)
class Periods:
    """The periods of a tracker. All nodes must have the same periods.

    Args:
        broadcast: Seconds between two ticks.
        max_silent: Number of ticks in a row without a heartbeat, if there are no changes.
        down: Seconds of silence after which a replica's entries are hidden.
        permdown: Seconds of silence after which a replica's entries are deleted.
        clock_samples: Number of ticks between two checks for missed changes.

    Raises:
        ValueError: A period breaks a rule. The text names the rule.

    Example:
        >>> Periods(broadcast=1.0, down=20.0).silent_ticks
        10
    """

    broadcast: float = 1.5
    max_silent: int = 10
    down: float = 30.0
    permdown: float = 1200.0
    clock_samples: int = 2

    def __post_init__(self) -> None:
        _expect(self.broadcast > 0, "broadcast must be more than 0 seconds", self.broadcast)
        _expect(self.max_silent >= 0, "max_silent must be a number from 0", self.max_silent)
        _expect(
            self.clock_samples >= 1, "clock_samples must be a number from 1", self.clock_samples
        )
        least = 2 * self.broadcast
        _expect(
            self.down >= least,
            f"down must be at least twice broadcast, which is {least} seconds",
            self.down,
        )
        _expect(
            self.permdown > self.down,
            f"permdown must be more than down, which is {self.down} seconds",
            self.permdown,
        )

    @property
    def silent_ticks(self) -> int:
        """The number of ticks for which an idle replica is silent.

        That is ``max_silent``, or less if ``down`` is short, so that an idle replica does not count as down. At least
        two heartbeats fit into two thirds of ``down``, unless every tick has a heartbeat. Phoenix does not check that.
        """
        return min(self.max_silent, max(0, int(self.down / (1.5 * self.broadcast)) - 1))


def _expect(holds: bool, rule: str, got: float) -> None:
    if not holds:
        raise ValueError(f"{rule}; got {got}")
