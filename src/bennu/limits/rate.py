"""Rates, and token buckets that enforce them. Both have no clock: the time is an argument.

Theory of operation. A bucket of ``burst`` tokens fills at ``count`` tokens in ``per`` seconds. The bucket keeps one
number, the time at which it will be full. Taking a token moves that time ``per / count`` seconds ahead. The bucket
has a token as long as that time is less than a whole bucket ahead.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import DefinitionError

__all__ = ["Bucket", "Rate", "rate_of"]

TOLERANCE: Final = 1e-6
"""Tolerance in seconds for floating-point rounding: a client that waits as long as it was told is not refused."""

_UNITS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_SHORT: Final = {
    "s": "second",
    "sec": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "d": "day",
}
_SCALES: Final = {"": 1, "k": 1_000, "M": 1_000_000}
_RATE: Final = re.compile(
    r"\s*(?P<count>\d[\d_]*)(?P<scale>[kM]?)"
    r"\s*/\s*(?P<number>\d+(?:\.\d+)?)?\s*(?P<unit>[a-z]+?)s?"
    r"\s*(?:,\s*burst\s+(?P<burst>\d[\d_]*)(?P<burst_scale>[kM]?)\s*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of events in a period of time.

    Every option that takes a rate also takes text: ``"30/minute"``, ``"100/10s"``, ``"64k/second"``,
    ``"30/minute, burst 60"``.

    Args:
        count: Events in each period.
        per: The period in seconds.
        burst: Events that can come at once after a pause. Default: 0, which means ``count``.

    Attributes:
        interval: Seconds between two events at this rate.
        span: Seconds in which an empty bucket becomes full.

    Raises:
        DefinitionError: A number is too low.

    Example:
        >>> Rate(30, per=60) == Rate.parse("30/minute")
        True
    """

    count: int
    per: float
    burst: int = 0
    interval: float = field(init=False, repr=False, compare=False)
    span: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        burst = self.burst or self.count
        if not (self.count >= 1 and burst >= 1 and 0 < self.per < math.inf):
            raise _no_rate(
                "a rate", f"Rate({self.count!r}, per={self.per!r}, burst={self.burst!r})"
            )
        object.__setattr__(self, "burst", burst)
        object.__setattr__(self, "interval", self.per / self.count)
        object.__setattr__(self, "span", self.per / self.count * burst)

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Return the rate of a text.

        Args:
            text: The rate, as ``"30/minute"`` or ``"64k/second, burst 128k"``.

        Raises:
            DefinitionError: The text is no rate.
        """
        found = _RATE.fullmatch(text)
        unit = None if found is None else _SHORT.get(found["unit"], found["unit"])
        if found is None or unit not in _UNITS:
            raise _no_rate("a rate", repr(text))
        return cls(
            int(found["count"]) * _SCALES[found["scale"]],
            _UNITS[unit] * float(found["number"] or 1),
            int(found["burst"] or 0) * _SCALES[found["burst_scale"] or ""],
        )

    def __str__(self) -> str:
        """Return the rate as text that :meth:`parse` can read."""
        period = next((unit for unit, seconds in _UNITS.items() if seconds == self.per), None)
        burst = "" if self.burst == self.count else f", burst {self.burst}"
        return f"{self.count}/{period or f'{self.per:.15g}s'}{burst}"


def rate_of(given: Any, *, subject: str, where: str | None = None) -> Rate:
    """Return the rate that a user gave.

    Args:
        given: A rate, or text.
        subject: The option that the user gave the rate as, for the error.
        where: The ``file:line`` of the option, for the error; None if it is unknown.

    Raises:
        DefinitionError: The value is no rate.
    """
    if isinstance(given, Rate):
        return given
    try:
        if isinstance(given, str):
            return Rate.parse(given)
    except DefinitionError as error:
        raise _no_rate(subject, error.got, where) from None
    raise _no_rate(subject, repr(given), where)


def _no_rate(subject: str, got: str, where: str | None = None) -> DefinitionError:
    return DefinitionError(
        subject,
        expected="a number in a period of time, each above 0, as text or as Rate(30, per=60, burst=60)",
        got=got,
        write='"30/minute", "100/10s", "64k/second" or "30/minute, burst 60"',
        where=where,
    )


class Bucket:
    """The token bucket of one client. A new bucket is full.

    Args:
        rate: How many tokens the bucket holds, and how fast it fills.

    Example:
        >>> bucket = Bucket(Rate.parse("2/second"))
        >>> [bucket.take(at) for at in (0.0, 0.0, 0.0, 0.5)]
        [0.0, 0.0, 0.5, 0.0]
    """

    __slots__ = ("_full_at", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._full_at = -math.inf

    def take(self, now: float) -> float:
        """Take a token and return 0.0. If there is no token, return the seconds until there is one.

        Args:
            now: The time in seconds, from any clock that does not go back.
        """
        rate = self.rate
        full_at = max(self._full_at, now) + rate.interval
        wait = full_at - now - rate.span
        if wait > TOLERANCE:
            return wait
        self._full_at = full_at
        return 0.0

    def draw(self, now: float, count: int) -> float:
        """Take tokens even if the bucket has too few. Return the seconds until no token is owed; 0.0 if none is.

        Args:
            now: The time in seconds, from any clock that does not go back.
            count: The number of tokens, for example the bytes that have already arrived.
        """
        rate = self.rate
        self._full_at = full_at = max(self._full_at, now) + count * rate.interval
        wait = full_at - now - rate.span
        return wait if wait > TOLERANCE else 0.0

    def is_full(self, now: float) -> bool:
        """Return whether the bucket is full, as a new bucket is."""
        return self._full_at <= now + TOLERANCE
