"""Shows figures as lines of a terminal, with rich. Pure.

A screen has the figures of the endpoint, and below them the events and the topic patterns, as many as there is place for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .figures import Counted, TopFigures
from .table_rows import TopSort

__all__ = ["bytes_text", "rate_text", "screen_of", "time_text"]

LATE: Final = 0.1
"""Seconds of lag, or of a handler's p99, that are shown in yellow."""

GAP: Final = "   "
GOOD: Final = ""
BAD: Final = "bold red"
WORTH: Final = "yellow"
"""The style of a figure that is worth a look."""


def rate_text(rate: float) -> str:
    """Return a rate for a person.

    Example:
        >>> [rate_text(one) for one in (0.0, 0.04, 3.14, 45.6, 12345.6)]
        ['0', '0.04', '3.1', '46', '12,346']
    """
    if not rate:
        return "0"
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 0.1 else f"{rate:.2g}"


def bytes_text(size: float) -> str:
    """Return a number of bytes for a person.

    Example:
        >>> [bytes_text(one) for one in (0, 999, 1500, 83_000_000, 2_100_000_000)]
        ['0 B', '999 B', '1.5 kB', '83 MB', '2.1 GB']
    """
    units = ("B", "kB", "MB", "GB", "TB")
    unit = 0
    while size >= 999.5 and unit < len(units) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {units[unit]}" if unit and size < 9.95 else f"{size:.0f} {units[unit]}"


def time_text(seconds: float | None) -> str:
    """Return a time for a person.

    Example:
        >>> [time_text(one) for one in (None, 0.00042, 0.0123, 0.456, 2.5)]
        ['–', '0.42 ms', '12 ms', '456 ms', '2.5 s']
    """
    if seconds is None:
        return "–"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    ms = seconds * 1000
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms" if ms >= 1 else f"{ms:.2f} ms"


def screen_of(
    figures: TopFigures, order: TopSort = TopSort.RATE, *, rows: int | None = None
) -> RenderableType:
    """Return the screen, without its title.

    Args:
        figures: The figures.
        order: The order of the events and topics.
        rows: The lines that there is place for; None for all.
    """
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bold")
    head.add_column(no_wrap=True, overflow="ellipsis")
    count = 0
    for name, text in _lines(figures):
        head.add_row(name, text)
        count += 1
    parts: list[RenderableType] = [head]
    for table in _tables(figures, order, None if rows is None else rows - count):
        parts += ["", table]
    return Group(*parts)


def _line(*parts: str | tuple[str, str]) -> Text:
    """Return the parts beside each other; a tuple has a style."""
    texts = [Text(part) if isinstance(part, str) else Text(*part) for part in parts]
    return Text(GAP).join(text for text in texts if text)


def _worth(text: str, is_worth: bool, style: str = WORTH) -> tuple[str, str]:
    return text, style if is_worth else GOOD


def _lines(one: TopFigures) -> Iterator[tuple[str, Text]]:
    yield (
        "clients",
        _line(
            f"{one.connections:,} connections",
            f"+{rate_text(one.opened)}/s −{rate_text(one.closed)}/s",
            _worth(f"{rate_text(one.refused_connects)} refused/s", one.refused_connects > 0),
            f"connect p99 {time_text(one.connect.p99)}",
        ),
    )
    yield (
        "channels",
        _line(
            f"{one.channels:,} joined",
            f"{rate_text(one.joins)} joins/s",
            _worth(f"{rate_text(one.refused_joins)} refused/s", one.refused_joins > 0),
            _worth(f"{rate_text(one.crashed)} crashed/s", one.crashed > 0, BAD),
            f"{one.presences:,} presences" if one.presences else "",
        ),
    )
    yield (
        "in",
        _line(
            f"{rate_text(one.received)} messages/s",
            f"{bytes_text(one.received_bytes)}/s",
            _worth(f"{rate_text(one.refused)} refused/s", one.refused > 0),
        ),
    )
    yield (
        "out",
        _line(
            f"{rate_text(one.sent)} messages/s",
            f"{bytes_text(one.sent_bytes)}/s",
            f"{rate_text(one.replies)} replies",
            f"{rate_text(one.pushes)} pushes",
            f"{rate_text(one.deliveries)} deliveries",
        ),
    )
    p99 = one.handled.p99
    yield (
        "handlers",
        _line(
            f"p50 {time_text(one.handled.p50)}",
            _worth(f"p99 {time_text(p99)}", p99 is not None and p99 >= LATE),
        ),
    )
    yield "queues", _queues(one)
    yield "drops", _troubles(one.drops)
    yield "limits", _troubles(one.limits)
    yield from _services(one)
    lag = one.lag.p99
    yield (
        "loop",
        _line(
            f"lag p50 {time_text(one.lag.p50)}",
            _worth(f"p99 {time_text(lag)}", lag is not None and lag >= LATE),
            _worth(
                f"held {one.held:,} times, now {one.held_share:.0%} of the time", one.held_share > 0
            ),
        ),
    )
    of_workers = one.workers > 1
    yield (
        "process",
        _line(
            f"{one.workers} workers" if of_workers else "1 worker",
            (f"{one.draining} draining", WORTH) if one.draining else "",
            f"CPU {one.cpu:.0%}",
            f"memory {bytes_text(one.memory)}"
            + (f", largest {bytes_text(one.largest)}" if of_workers else ""),
            f"{one.tasks:,} tasks",
        ),
    )


def _queues(one: TopFigures) -> Text:
    queues = one.queues
    slow = f"{queues.slow_clients:,} slow clients"
    if queues.slow_clients:
        slow += f": {bytes_text(queues.unsent_bytes)}"
        slow += f", {queues.unsent_messages:,} messages" if queues.unsent_messages else ""
    waiting = f"{queues.mailbox_items:,} items in mailboxes"
    if queues.mailbox_items:
        waiting += (
            f" ({bytes_text(queues.mailbox_bytes)}), {queues.longest_mailbox:,} in the longest"
        )
    return _line(waiting, _worth(slow, queues.slow_clients > 0))


def _troubles(counted: Sequence[Counted]) -> Text:
    """Return the kinds that there were, those that happen now before the others."""
    if not counted:
        return Text("none", "dim")
    by_rate = sorted(counted, key=lambda one: (-one.rate, -one.total))
    return _line(
        *(
            _worth(
                f"{one.name} {one.total:,}" + (f" ({rate_text(one.rate)}/s)" if one.rate else ""),
                one.rate > 0,
            )
            for one in by_rate
        )
    )


def _services(one: TopFigures) -> Iterator[tuple[str, Text]]:
    if (bus := one.bus) is not None:
        down = f"down for {bus.silence:.0f} s" + (f" on {bus.down} of the workers" * (bus.up > 0))
        losses = _troubles(bus.losses) if bus.losses else Text("no losses", "dim")
        lost = f"{bus.lost:,} messages lost" if bus.lost else ""
        state = _line((down, BAD) if bus.down else "up", (lost, WORTH))
        yield "bus", Text(GAP).join((state, losses))
    if (store := one.store) is not None:
        yield (
            "store",
            _line(
                ("down", BAD) if store.down else "up",
                f"{rate_text(store.calls.rate)} calls/s",
                f"p99 {time_text(store.calls.p99)}",
                _worth(f"{rate_text(store.failed)} failed/s", store.failed > 0, BAD),
            ),
        )


def _tables(figures: TopFigures, order: TopSort, rows: int | None) -> Iterator[Table]:
    """Yield the two tables, each with a line of names and a blank line before it."""
    events, topics = figures.sorted_events(order), figures.sorted_topics(order)
    place = None if rows is None else max(rows - 4, 2)
    for_topics = len(topics) if place is None else min(len(topics), max(1, place // 2))
    for_events = len(events) if place is None else min(len(events), place - for_topics)
    if place is not None:
        for_topics = min(len(topics), place - for_events)
    table = _table("EVENT", "TOPIC", "CHANNEL", numbers=("/s", "p50", "p99", "refused/s"))
    for event in events[:for_events]:
        late = event.handled.p99 is not None and event.handled.p99 >= LATE
        table.add_row(
            Text(event.event),
            Text(event.topic),
            Text(event.channel),
            rate_text(event.rate),
            time_text(event.handled.p50),
            Text(*_worth(time_text(event.handled.p99), late)),
            Text(*_worth(rate_text(event.refused), event.refused > 0)),
        )
    yield table
    table = _table(
        "TOPIC", numbers=("joined", "joins/s", "crashed/s", "waiting", "sent/s", "out/s", "bytes/s")
    )
    for topic in topics[:for_topics]:
        table.add_row(
            Text(topic.topic),
            f"{topic.channels:,}",
            rate_text(topic.joins),
            Text(*_worth(rate_text(topic.crashed), topic.crashed > 0, BAD)),
            f"{topic.waiting:,}",
            rate_text(topic.broadcasts),
            rate_text(topic.deliveries),
            bytes_text(topic.bytes),
        )
    yield table


def _table(*names: str, numbers: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), expand=True, header_style="bold cyan")
    for name in names:
        table.add_column(name, ratio=2, no_wrap=True, overflow="ellipsis")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
