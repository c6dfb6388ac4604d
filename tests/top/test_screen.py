"""The figures as lines."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from bennu.metrics.families import ChannelLabels, Labels
from bennu.top import TopFigures, figures_of
from bennu.top.screen import screen_of
from bennu.top.table_rows import TopSort

from .metered import Metered


def lines(
    figures: TopFigures, *, width: int = 80, rows: int | None = None, order: TopSort = TopSort.RATE
) -> list[str]:
    """Return what a terminal shows."""
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(screen_of(figures, order, rows=rows))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def line(found: list[str], name: str) -> str:
    """Return the line with a name."""
    [one] = [line.removeprefix(name).strip() for line in found if line.startswith(f"{name} ")]
    return one


def at_rest() -> TopFigures:
    metered = Metered(Labels((), (ChannelLabels("Room", "room:*", ("say",)),)))
    return figures_of(metered.scrape(0.0), metered.scrape(1.0))


def in_trouble() -> TopFigures:
    metered = Metered(workers=3)
    counts = metered.first
    counts.add("bennu_messages_dropped", "mailbox_full", count=10)
    before = metered.scrape(0.0)
    counts.add("bennu_messages_dropped", "slow_ended", count=1200)
    counts.set("bennu_slow_clients", 2)
    counts.set("bennu_unsent_bytes", 3_400_000)
    counts.set("bennu_unsent_messages", 40)
    counts.set("bennu_mailbox_items", 64, "Room", "room:{id}")
    counts.set("bennu_mailbox_bytes", 5000, "Room", "room:{id}")
    counts.set("bennu_longest_mailbox", 60)
    counts.set("bennu_draining", 1)
    counts.set("bennu_bus_up", 0)
    counts.set("bennu_bus_silence_seconds", 4.2)
    counts.add("bennu_bus_losses", "gap")
    counts.add("bennu_bus_messages_lost", "gap", count=12)
    counts.set("bennu_store_up", 0)
    counts.observe("bennu_store_seconds", 0.05, "append", "error")
    counts.observe("bennu_handler_seconds", 0.9, "Room", "room:{id}", "slow")
    counts.add("bennu_loop_held", count=3)
    counts.add_seconds("bennu_loop_held_seconds", 0.4)
    counts.set("bennu_memory_bytes", 70_000_000)
    counts.set("bennu_presences", 9, "Presence")
    return figures_of(before, metered.scrape(1.0))


def test_an_endpoint_at_rest() -> None:
    assert lines(at_rest()) == [
        "clients   0 connections   +0/s −0/s   0 refused/s   connect p99 –",
        "channels  0 joined   0 joins/s   0 refused/s   0 crashed/s",
        "in        0 messages/s   0 B/s   0 refused/s",
        "out       0 messages/s   0 B/s   0 replies   0 pushes   0 deliveries",
        "handlers  p50 –   p99 –",
        "queues    0 items in mailboxes   0 slow clients",
        "drops     none",
        "limits    none",
        "loop      lag p50 –   p99 –   held 0 times, now 0% of the time",
        "process   1 worker   CPU 0%   memory 0 B   0 tasks",
        "",
        "EVENT               TOPIC              CHANNEL           /s  p50  p99  refused/s",
        "say                 room:*             Room               0    –    –          0",
        "",
        "TOPIC                joined  joins/s  crashed/s  waiting  sent/s  out/s  bytes/s",
        "room:*                    0        0          0        0       0      0      0 B",
    ]


def test_trouble() -> None:
    """What happens now stands first."""
    found = lines(in_trouble(), width=120)
    assert line(found, "drops") == "slow_ended 1,200 (1,200/s)   mailbox_full 10"
    assert line(found, "queues") == (
        "64 items in mailboxes (5.0 kB), 60 in the longest   2 slow clients: 3.4 MB, 40 messages"
    )
    assert (
        line(found, "bus") == "down for 4 s on 1 of the workers   12 messages lost   gap 1 (1.0/s)"
    )
    assert line(found, "store") == "down   1.0 calls/s   p99 50 ms   1.0 failed/s"
    assert line(found, "loop").endswith("held 3 times, now 40% of the time")
    assert line(found, "process").startswith(
        "3 workers   1 draining   CPU 0%   memory 70 MB, largest 70 MB"
    )
    assert line(found, "channels").endswith("9 presences")
    assert line(found, "slow").split()[:4] == ["room:{id}", "Room", "1.0", "750"]


def test_trouble_has_a_colour() -> None:
    console = Console(file=StringIO(), width=120, force_terminal=True, color_system="standard")
    console.print(screen_of(in_trouble()))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "\x1b[1;31mdown for 4 s" in text
    assert "\x1b[33mslow_ended 1,200" in text


def test_a_low_terminal_shows_the_first_rows_of_both_tables() -> None:
    """The screen has as many lines as there is place for, if there is place for one row of each."""
    figures = in_trouble()
    head = lines(figures).index("")
    for rows, events, topics in ((head + 6, 1, 1), (head + 7, 2, 1), (head + 8, 2, 2), (99, 3, 2)):
        found = lines(figures, rows=rows)
        assert len(found) <= rows
        first = found.index("")
        second = found.index("", first + 1)
        assert (second - first - 2, len(found) - second - 2) == (events, topics)


def test_no_line_is_longer_than_the_terminal() -> None:
    for width in (60, 80, 140):
        assert max(map(len, lines(in_trouble(), width=width))) <= width
