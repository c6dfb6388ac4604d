"""The metrics of an endpoint, as the endpoint writes them."""

from __future__ import annotations

from bennu.metrics.exposition import exposition_of
from bennu.metrics.families import ChannelLabels, Labels, schema_of
from bennu.metrics.rows import new_block
from bennu.metrics.tallies import Tallies
from bennu.metrics.totals import Totals
from bennu.top import MetricsScrape

__all__ = ["Metered"]

ALL = Labels(
    sockets=(("/socket", "websocket"),),
    channels=(
        ChannelLabels("Room", "room:{id}", ("say", "slow")),
        ChannelLabels("Hall", "hall", ("wave",)),
    ),
    presences=("Presence",),
    has_bus=True,
    has_store=True,
)


class Metered:
    """The workers of one command, and their metrics.

    Args:
        labels: The labels of the endpoint.
        workers: The number of workers.

    Attributes:
        workers: The tallies of each worker.
    """

    def __init__(self, labels: Labels = ALL, workers: int = 1) -> None:
        schema = schema_of(labels)
        self.workers = [
            Tallies(schema, new_block(schema.words), {}, lambda topic: None) for _ in range(workers)
        ]
        for one in self.workers:
            one.set("bennu_workers", 1)
            if labels.has_bus:
                one.set("bennu_bus_up", 1)
            if labels.has_store:
                one.set("bennu_store_up", 1)

    @property
    def first(self) -> Tallies:
        """The first worker."""
        return self.workers[0]

    def scrape(self, at: float) -> MetricsScrape:
        """Return what a reader gets at a time."""
        totals = Totals()
        for number, one in enumerate(self.workers, 1):
            totals.add(one.schema, one.block, worker=number)
        return MetricsScrape(exposition_of(totals, "")[0].decode(), at)
