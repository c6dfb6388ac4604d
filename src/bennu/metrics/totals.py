"""The sum of the metrics of several processes. Pure.

Series are added by name and labels, not by their places: while a reload replaces workers, old and new code can have different
handlers, and so different schemas.
"""

from __future__ import annotations

from collections.abc import Iterator

from .rows import Block, new_block
from .schema import Family, MetricKind, Schema, Series

__all__ = ["Totals"]

WORKER = "worker"


class Totals:
    """The values of all series."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._values: dict[str, dict[Series, list[float]]] = {}

    def add(self, schema: Schema, block: Block, *, worker: int = 0, is_alive: bool = True) -> None:
        """Add the values of one process.

        Args:
            schema: The schema of the process.
            block: Its words.
            worker: The number of the worker.
            is_alive: Whether gauges count.
        """
        counts, numbers = block.counts.tolist(), block.numbers.tolist()
        for family, series, place in schema:
            if not (is_alive or family.kind.outlives) or not self._knows(family):
                continue
            if family.kind is MetricKind.HISTOGRAM:
                end = place + family.width - 1
                words: list[float] = [*counts[place:end], numbers[end]]
            elif family.kind is MetricKind.COUNTER:
                words = [counts[place]]
            else:
                words = [numbers[place]]
            if family.kind is MetricKind.OF_WORKER:
                series = (*series, str(worker))  # noqa: PLW2901 - as it is shown
            values = self._values[family.name]
            known = values.get(series)
            values[series] = (
                words if known is None else list(map(sum, zip(known, words, strict=True)))
            )

    def _knows(self, family: Family) -> bool:
        """Return whether the values of a family can be added, and enter it if it is new."""
        known = self._families.setdefault(family.name, family)
        self._values.setdefault(family.name, {})
        return known.shape == family.shape

    def __iter__(self) -> Iterator[tuple[Family, dict[Series, list[float]]]]:
        """Yield each family with the words of its series. A gauge of a worker has the label ``worker`` at its end."""
        for name, family in self._families.items():
            yield family, self._values[name]

    def packed(self) -> tuple[Schema, Block]:
        """Return the values as the block of one process that has ended."""
        families = [
            Family(one.name, one.kind, one.help, one.labels, tuple(values), one.buckets)
            for one, values in self
        ]
        schema = Schema(families)
        block = new_block(schema.words)
        for family, series, place in schema:
            words = self._values[family.name][series]
            if family.kind is MetricKind.SECONDS:
                block.numbers[place] = words[0]
                continue
            whole = words[:-1] if family.kind is MetricKind.HISTOGRAM else words
            for index, value in enumerate(whole):
                block.counts[place + index] = int(value)
            if family.kind is MetricKind.HISTOGRAM:
                block.numbers[place + family.width - 1] = words[-1]
        return schema, block
