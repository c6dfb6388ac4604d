"""The figures of an endpoint."""

from __future__ import annotations

import inspect
import json
import re

from bennu.metrics.families import ChannelLabels, Labels
from bennu.top import figures, figures_of, table_rows
from bennu.top.figures import Counted, TopFigures, figures_json
from bennu.top.table_rows import TopSort

from ..support.pages import section, table
from .metered import Metered


def test_an_endpoint_at_rest_has_all_figures() -> None:
    metered = Metered(Labels((), (ChannelLabels("Room", "room:*", ("say",)),)))
    one = figures_of(metered.scrape(0.0), metered.scrape(2.0))
    assert (one.seconds, one.workers, one.connections, one.sent) == (2.0, 1, 0, 0.0)
    assert (one.bus, one.store, one.drops, one.handled.p99) == (None, None, [], None)
    assert [row.event for row in one.events] == ["say"]
    assert [row.topic for row in one.topics] == ["room:*"]


def test_what_goes_in_and_out() -> None:
    metered, of = Metered(), ("/socket", "websocket")
    before = metered.scrape(0.0)
    counts = metered.first
    counts.set("bennu_connections", 3, *of)
    counts.add("bennu_connections_opened", *of, count=4)
    counts.add("bennu_connections_closed", *of, "1001", count=2)
    counts.add("bennu_connects_refused", "/socket", "403", count=2)
    counts.add("bennu_messages_received", *of, count=20)
    counts.add("bennu_received_bytes", *of, count=2000)
    counts.add("bennu_replies", *of, "ok", count=12)
    counts.add("bennu_pushes", *of, count=4)
    counts.add("bennu_entries_caught_up", *of, count=2)
    counts.add("bennu_sent_bytes", *of, count=600)
    counts.add("bennu_deliveries", "room:{id}", count=100)
    counts.add("bennu_delivered_bytes", "room:{id}", count=9000)
    counts.add("bennu_messages_refused", "Room", "room:{id}", "*", count=6)
    one = figures_of(before, metered.scrape(2.0))
    assert (one.connections, one.opened, one.closed, one.refused_connects) == (3, 2.0, 1.0, 1.0)
    assert (one.received, one.received_bytes, one.refused) == (10.0, 1000.0, 3.0)
    assert one.sent == (12 + 4 + 2 + 100) / 2
    assert one.sent_bytes == 9600 / 2
    assert (one.replies, one.pushes, one.deliveries) == (6.0, 2.0, 50.0)


def test_workers_are_added_up() -> None:
    """What means nothing as a sum is that of the worst worker."""
    metered = Metered(workers=2)
    for number, worker in enumerate(metered.workers, 1):
        worker.set("bennu_memory_bytes", 1000 * number)
        worker.set("bennu_longest_mailbox", 5 * number)
        worker.set("bennu_mailbox_items", 7, "Room", "room:{id}")
    one = figures_of(metered.scrape(0.0), metered.scrape(1.0))
    assert (one.workers, one.memory, one.largest) == (2, 3000, 2000)
    assert (one.queues.mailbox_items, one.queues.longest_mailbox) == (14, 10)


def test_trouble_is_told_with_its_total_and_its_rate() -> None:
    """A message that was dropped an hour ago still matters. What never happened is not listed."""
    metered = Metered()
    metered.first.add("bennu_messages_dropped", "mailbox_full", count=10)
    metered.first.add("bennu_limits_exceeded", "messages", count=1)
    before = metered.scrape(0.0)
    metered.first.add("bennu_messages_dropped", "mailbox_full", count=4)
    one = figures_of(before, metered.scrape(2.0))
    assert one.drops == [Counted("mailbox_full", 14, 2.0)]
    assert one.limits == [Counted("messages", 1, 0.0)]


def test_the_bus_and_the_store() -> None:
    metered = Metered(workers=2)
    before = metered.scrape(0.0)
    deaf = metered.workers[1]
    deaf.set("bennu_bus_up", 0)
    deaf.set("bennu_bus_silence_seconds", 9.0)
    deaf.set("bennu_store_up", 0)
    deaf.add("bennu_bus_losses", "gap", count=2)
    deaf.add("bennu_bus_messages_lost", "gap", count=30)
    deaf.observe("bennu_store_seconds", 0.002, "append", "ok")
    deaf.observe("bennu_store_seconds", 0.002, "read", "error")
    one = figures_of(before, metered.scrape(1.0))
    assert one.bus is not None
    assert one.store is not None
    assert (one.bus.up, one.bus.down, one.bus.silence, one.bus.lost) == (1, 1, 9.0, 30)
    assert one.bus.losses == [Counted("gap", 2, 2.0)]
    assert (one.store.up, one.store.down, one.store.calls.rate, one.store.failed) == (1, 1, 2, 1)


def rows() -> TopFigures:
    """Return figures with rows whose orders differ."""
    metered = Metered()
    before, counts = metered.scrape(0.0), metered.first
    for event, seconds, times in (("say", 0.001, 50), ("slow", 0.9, 3)):
        for _ in range(times):
            counts.observe("bennu_handler_seconds", seconds, "Room", "room:{id}", event)
    counts.observe("bennu_handler_seconds", 0.002, "Hall", "hall", "wave")
    counts.add("bennu_messages_refused", "Hall", "hall", "wave", count=9)
    counts.set("bennu_channels", 4, "Hall", "hall")
    counts.set("bennu_mailbox_items", 3, "Hall", "hall")
    counts.set("bennu_mailbox_bytes", 900, "Hall", "hall")
    counts.add("bennu_joins", "Hall", "hall", "ok", count=2)
    counts.add("bennu_channels_ended", "Hall", "hall", "failed", count=1)
    counts.observe("bennu_fanout_receivers", 7, "room:{id}")
    counts.add("bennu_deliveries", "room:{id}", count=7)
    return figures_of(before, metered.scrape(1.0))


def test_the_events_in_each_order() -> None:
    one = rows()
    orders = {order: [row.event for row in one.sorted_events(order)] for order in TopSort}
    assert orders == {
        TopSort.RATE: ["say", "wave", "slow"],
        TopSort.P99: ["slow", "wave", "say"],
        TopSort.REFUSED: ["wave", "say", "slow"],
        TopSort.NAME: ["wave", "say", "slow"],
    }
    order = TopSort.RATE
    for _ in TopSort:
        order = order.next
    assert order is TopSort.RATE


def test_the_topics_by_deliveries_or_by_name() -> None:
    one = rows()
    assert [row.topic for row in one.sorted_topics(TopSort.RATE)] == ["room:{id}", "hall"]
    assert [row.topic for row in one.sorted_topics(TopSort.NAME)] == ["hall", "room:{id}"]
    hall = one.sorted_topics(TopSort.NAME)[0]
    assert (hall.waiting, hall.waiting_bytes) == (3, 900)
    assert (hall.channels, hall.joins, hall.crashed, hall.broadcasts) == (4, 2.0, 1.0, 0.0)


def test_the_rows_of_what_has_no_name_are_there_while_something_happens() -> None:
    metered = Metered()
    before = metered.scrape(0.0)
    metered.first.add("bennu_messages_refused", "Room", "room:{id}", "*")
    metered.first.observe("bennu_fanout_receivers", 0, "*")
    then = metered.scrape(1.0)
    now, later = figures_of(before, then), figures_of(then, metered.scrape(2.0))
    assert [row.channel for row in now.events if row.event == "*"] == ["Room"]
    assert any(row.topic == "*" for row in now.topics)
    assert not any(row.event == "*" for row in later.events)
    assert not any(row.topic == "*" for row in later.topics)


def test_all_metrics_that_are_read_exist() -> None:
    names = set(
        re.findall(r'"(bennu_\w+)"', "".join(map(inspect.getsource, (figures, table_rows))))
    )
    found = set[str]()
    for family, _, _ in Metered().first.schema:
        found |= {family.name, *(f"{family.name}_{end}" for end in ("total", "count", "bucket"))}
    assert names <= found
    assert len(names) > 30


def test_the_page_lists_the_fields_of_the_json() -> None:
    listed = [row[0].strip("`") for row in table(section("docs/top.md", "For scripts"))]
    assert listed == list(json.loads(json.dumps(figures_json(rows()))))
