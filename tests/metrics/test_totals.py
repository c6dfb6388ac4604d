"""The sum of the metrics of several processes."""

from __future__ import annotations

from bennu.metrics.rows import Block, new_block
from bennu.metrics.schema import Family, MetricKind, Schema, Series
from bennu.metrics.totals import Totals

JOINS = Family("joins", MetricKind.COUNTER, "Joins.", ("channel",), (("Room",),))
TIMES = Family("times", MetricKind.HISTOGRAM, "Times.", (), ((),), (0.1,))
CPU = Family("cpu", MetricKind.SECONDS, "CPU time.")
OPEN = Family("open", MetricKind.GAUGE, "Open.")
MEMORY = Family("memory", MetricKind.OF_WORKER, "Memory.")
SCHEMA = Schema([JOINS, TIMES, CPU, OPEN, MEMORY])


def filled(schema: Schema = SCHEMA) -> Block:
    """Return a block in which each word has a number of its own."""
    block = new_block(schema.words)
    for family, _, place in schema:
        if family.kind is MetricKind.HISTOGRAM:
            block.counts[place], block.counts[place + 1], block.numbers[place + 2] = 3, 1, 2.5
        elif family.kind is MetricKind.COUNTER:
            block.counts[place] = 2**60 + 1
        else:
            block.numbers[place] = 0.5
    return block


def values(totals: Totals) -> dict[str, dict[Series, list[float]]]:
    return {family.name: found for family, found in totals}


def test_processes_are_added() -> None:
    """Only gauges of workers stay apart: they get the label of the worker. Whole numbers are exact."""
    totals = Totals()
    totals.add(SCHEMA, filled(), worker=1)
    totals.add(SCHEMA, filled(), worker=2)
    assert values(totals) == {
        "joins": {("Room",): [2 * (2**60 + 1)]},
        "times": {(): [6, 2, 5.0]},
        "cpu": {(): [1.0]},
        "open": {(): [1.0]},
        "memory": {("1",): [0.5], ("2",): [0.5]},
    }


def test_the_gauges_of_a_dead_process_are_gone() -> None:
    totals = Totals()
    totals.add(SCHEMA, filled(), is_alive=False)
    assert values(totals).keys() == {"joins", "times", "cpu"}


def test_processes_with_other_code_are_added_by_names() -> None:
    """A family of another shape is left out: that of the first process counts."""
    joins = Family("joins", MetricKind.COUNTER, "Joins.", ("channel",), (("Hall",), ("Room",)))
    times = Family("times", MetricKind.HISTOGRAM, "Times.", (), ((),), (0.1, 1.0))
    other = Schema([times, joins])
    totals = Totals()
    totals.add(SCHEMA, filled())
    totals.add(other, filled(other))
    assert values(totals)["joins"] == {("Room",): [2 * (2**60 + 1)], ("Hall",): [2**60 + 1]}
    assert values(totals)["times"] == {(): [3, 1, 2.5]}


def test_totals_are_packed_like_a_process() -> None:
    totals, again = Totals(), Totals()
    totals.add(SCHEMA, filled(), is_alive=False)
    totals.add(SCHEMA, filled(), is_alive=False)
    schema, block = totals.packed()
    again.add(Schema.read(schema.text), block, is_alive=False)
    assert values(again) == values(totals)
