"""Rates, and buckets of tokens that hold them, as data: time comes in as an argument.

Theory of operation. A bucket of ``burst`` tokens fills again at ``count`` tokens in ``per`` seconds. What
is kept of it is one number, the time at which it will be full: a token that is taken puts that off by
``per / count`` seconds, and there is one to take as long as it lies less than a whole bucket ahead.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import DefinitionError

__all__ = ["Bucket", "Rate", "rate_of"]

TOLERANCE: Final = 1e-6
"""Seconds: what floats lose, so that who waits as long as he was told to is not told to wait again."""

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
    """So many in so much time.

    Wherever a rate is expected, it may be written as text: ``"30/minute"``, ``"100/10s"``,
    ``"64k/second"``, ``"30/minute, burst 60"``.

    Args:
        count: How many.
        per: In how many seconds.
        burst: How many may come at once after a pause; 0 takes ``count``.

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
        """Return the rate that a text says.

        Raises:
            DefinitionError: It says none.
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
        """Return it as text that can be parsed."""
        period = next((unit for unit, seconds in _UNITS.items() if seconds == self.per), None)
        burst = "" if self.burst == self.count else f", burst {self.burst}"
        return f"{self.count}/{period or f'{self.per:.15g}s'}{burst}"


def rate_of(given: Any, *, subject: str, where: str | None = None) -> Rate:
    """Return what a user gave as a rate.

    Args:
        given: A rate, or text.
        subject: Where he gave it, for the message.
        where: Its ``file:line``.

    Raises:
        DefinitionError: It is none.
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
        expected="so many in so much time, each above 0, as text or as Rate(30, per=60, burst=60)",
        got=got,
        write='"30/minute", "100/10s", "64k/second" or "30/minute, burst 60"',
        where=where,
    )


class Bucket:
    """The tokens of one client; it begins full.

    Args:
        rate: How many it holds, and how fast it fills.

    Example:
        >>> bucket = Bucket(Rate.parse("2/second"))
        >>> [bucket.take(now) for now in (0.0, 0.0, 0.0, 0.5)]
        [0.0, 0.0, 0.5, 0.0]
    """

    __slots__ = ("_full_at", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._full_at = -math.inf

    def take(self, now: float) -> float:
        """Take a token, if there is one; return 0.0, or else in how many seconds there will be.

        Args:
            now: The time in seconds, of any clock that does not go back.
        """
        rate = self.rate
        full_at = max(self._full_at, now) + rate.interval
        wait = full_at - now - rate.span
        if wait > TOLERANCE:
            return wait
        self._full_at = full_at
        return 0.0

    def draw(self, now: float, count: int) -> float:
        """Take so many tokens, there or not; return in how many seconds none is owed any more.

        Args:
            now: The time in seconds.
            count: How many: of what has come already, and can't be refused.
        """
        rate = self.rate
        self._full_at = full_at = max(self._full_at, now) + count * rate.interval
        wait = full_at - now - rate.span
        return wait if wait > TOLERANCE else 0.0

    def is_full(self, now: float) -> bool:
        """Return whether it is as if nothing had ever been taken."""
        return self._full_at <= now
