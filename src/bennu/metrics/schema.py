"""The layout of metrics in memory: which word of a block belongs to which series. Pure.

A block is a row of words of 8 bytes. A series has one word, or for a histogram one for each bucket, and one for the sum. The words
follow each other in the order of the families and of their series. A schema travels as JSON beside its block, so a reader
needs no other knowledge of the process that writes the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec

__all__ = ["WORD", "Family", "MetricKind", "Schema", "Series"]

WORD: Final = 8
"""Bytes of a word."""

Series = tuple[str, ...]
"""The values of the labels of one series."""


class MetricKind(StrEnum):
    """What the words of a family hold, and what becomes of them when a process has ended."""

    COUNTER = "counter"
    """A whole number that only grows. Counters of all processes are added, also of those that have ended."""
    SECONDS = "seconds"
    """The same as a floating-point number."""
    HISTOGRAM = "histogram"
    """A whole number for each bucket and for all that exceeds them, and the sum as a floating-point number."""
    GAUGE = "gauge"
    """A floating-point number. Gauges of the processes that run are added."""
    OF_WORKER = "of_worker"
    """A gauge whose sum means nothing: it has the label ``worker``."""

    @property
    def outlives(self) -> bool:
        """Whether the value counts after the end of its process."""
        return self in (MetricKind.COUNTER, MetricKind.SECONDS, MetricKind.HISTOGRAM)


class Family(msgspec.Struct, frozen=True):
    """A metric, and all its series.

    Attributes:
        name: The name, as Prometheus shows it; of a counter without ``_total``.
        kind: What its words hold.
        help: What it tells, in one sentence.
        labels: The names of the labels.
        series: The values of the labels of each series.
        buckets: The upper bounds of a histogram's buckets, without infinity.
    """

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    series: tuple[Series, ...] = ((),)
    buckets: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """The number of words of one series."""
        return len(self.buckets) + 2 if self.kind is MetricKind.HISTOGRAM else 1

    @property
    def shape(self) -> tuple[object, ...]:
        """What two families must have in common, so that their values can be added."""
        return self.kind, self.labels, self.buckets


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Family, ...]).decode


class Schema:
    """The families of one process, and the places of their series.

    Args:
        families: The families. No two have one name.

    Attributes:
        families: As given.
        words: The number of words of a block.
        text: The schema as JSON.
    """

    def __init__(self, families: Sequence[Family]) -> None:
        self.families = tuple(families)
        self.text = _encode(self.families)
        self._places: dict[tuple[str, Series], int] = {}
        place = 0
        for family in self.families:
            for series in family.series:
                self._places[family.name, series] = place
                place += family.width
        self.words = place

    @classmethod
    def read(cls, text: bytes) -> Schema:
        """Return the schema that was written as JSON.

        Raises:
            msgspec.MsgspecError: It is no schema.
        """
        return cls(_decode(text))

    def place(self, name: str, *labels: str) -> int:
        """Return the number of the first word of a series.

        Args:
            name: The name of the family.
            labels: The values of the labels.

        Raises:
            KeyError: There is no such series.
        """
        return self._places[name, labels]

    def has(self, name: str, *labels: str) -> bool:
        """Return whether there is a series."""
        return (name, labels) in self._places

    def buckets(self, name: str) -> tuple[float, ...]:
        """Return the bounds of a histogram; none if there is no such family."""
        return next((one.buckets for one in self.families if one.name == name), ())

    def __iter__(self) -> Iterator[tuple[Family, Series, int]]:
        """Yield each series with its family and the number of its first word."""
        place = 0
        for family in self.families:
            for series in family.series:
                yield family, series, place
                place += family.width
