"""Shows a run: its progress as one line, its result as a table or JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .histogram import LatencyHistogram
from .plan import BenchPlan
from .result import BenchProgress, BenchResult

__all__ = ["progress_line", "result_json", "result_table"]

SHARES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
HEAD: Final = ("", "count", "a second", *SHARES)


def progress_line(progress: BenchProgress, plan: BenchPlan) -> str:
    """Return one line on a run that goes on."""
    counts = progress.counts
    clients = f"{plan.clients:,}"
    if progress.phase == "opening":
        done = counts.opened if plan.topic is None else counts.joined
        text = f"connecting: {done:,} of {clients} clients"
        return text + (f", {counts.failed:,} failed" if counts.failed else "")
    parts = [f"{counts.pushed:,} pushes", f"{counts.replied:,} replies"]
    if plan.hears:
        parts.append(f"{counts.heard:,} deliveries")
    parts += [
        f"{count:,} {word}"
        for count, word in ((counts.refused, "refused"), (counts.lost, "clients lost"))
        if count
    ]
    where = (
        "waiting for replies"
        if progress.phase == "draining"
        else f"{progress.seconds:.1f} of {plan.seconds:g} s"
    )
    return f"{where}: {', '.join(parts)}"


def result_table(result: BenchResult, plan: BenchPlan) -> str:
    """Return the table, and sentences on what was not as planned."""
    rows = [HEAD, *_rows(result, plan)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([_title(result, plan), "", *lines, "", *_sentences(result, plan)])


def result_json(result: BenchResult, plan: BenchPlan) -> dict[str, Any]:
    """Return the result for tools: times in microseconds."""
    counts = result.counts
    return {
        "engine": result.engine,
        "clients": plan.clients,
        "rate": plan.rate,
        "planned": result.planned,
        "opening_s": result.opening,
        "load_s": result.seconds,
        "is_whole": result.is_whole,
        **{name: getattr(counts, name) for name in counts.__struct_fields__},
        "unanswered": result.unanswered,
        "failure": result.failure,
        "refusal": result.refusal,
        "times_us": {
            name: {
                "count": times.count,
                **{key: times.percentile(share) for key, share in SHARES.items()},
            }
            for name, times in _times(result).items()
        },
    }


def duration(microseconds: float | None) -> str:
    """Return a time for a person.

    Example:
        >>> [duration(one) for one in (None, 640.0, 1234.0, 98765.0, 2345678.0)]
        ['', '0.64 ms', '1.23 ms', '98.8 ms', '2.35 s']
    """
    if microseconds is None:
        return ""
    if microseconds >= 1_000_000:
        return f"{microseconds / 1_000_000:.2f} s"
    ms = microseconds / 1000
    return f"{ms:.2f} ms" if ms < 10 else f"{ms:.1f} ms"


def _times(result: BenchResult) -> dict[str, LatencyHistogram]:
    return {
        "connect": result.connect,
        "join": result.join,
        "reply": result.reply,
        "delivery": result.delivery,
    }


def _rows(result: BenchResult, plan: BenchPlan) -> Iterator[tuple[str, ...]]:
    push = "heartbeat to reply" if plan.topic is None else "push to reply"
    names = {"connect": "connect", "join": "join", "reply": push, "delivery": "push to delivery"}
    for key, times in _times(result).items():
        if (key == "join" and plan.topic is None) or (key == "delivery" and not plan.hears):
            continue
        seconds = result.opening if key in ("connect", "join") else result.seconds
        rate = f"{times.count / seconds:,.0f}" if seconds > 0 and times.count else ""
        shown = (duration(times.percentile(share)) for share in SHARES.values())
        yield names[key], f"{times.count:,}", rate, *shown


def _title(result: BenchResult, plan: BenchPlan) -> str:
    if plan.topic is None:
        where = "without a topic"
    elif plan.topics > 1:
        where = f"in {plan.topics:,} topics, {plan.topic}"
    else:
        where = f"in {plan.topic_of(0)}"
    return (
        f"{_counted(plan.clients, 'client')} {where}, {plan.rate:g} a second each for {plan.seconds:g} s,"
        f" by the {result.engine} engine"
    )


def _sentences(result: BenchResult, plan: BenchPlan) -> Iterator[str]:
    counts = result.counts
    what = "heartbeat" if plan.topic is None else "push"
    yield (
        f"{counts.pushed:,} of {_counted(result.planned, what)} sent: {counts.replied:,} answered with ok,"
        f" {counts.refused:,} refused, {result.unanswered:,} not answered."
    )
    if counts.pushed and result.unanswered == counts.pushed and not plan.hears:
        yield f"No {what} was answered: a handler that returns None sends no reply."
    if plan.hears and counts.pushed:
        share = counts.heard / counts.pushed
        yield (
            f"{counts.heard:,} of {counts.expected:,} deliveries, if each push goes to all clients of its topic:"
            f" {share:,.1f} a push."
        )
        if not counts.heard:
            yield f"No delivery has the stamp: does the handler of {plan.event} broadcast the field {plan.name}?"
    if result.refusal:
        yield f"The first refusal: {result.refusal}"
    if counts.failed or counts.lost:
        yield f"{counts.failed:,} of {_counted(plan.clients, 'client')} could not connect or join, {counts.lost:,} were lost."
        yield f"The first one: {result.failure}"
    late = result.seconds - plan.seconds
    if result.is_whole and late > 0.1 * plan.seconds:
        yield (
            f"The pushes took {late:.1f} s longer than planned: the generator or the server was too slow, so the times are"
            " those of an overload. Lower --rate or --clients."
        )
    if not result.is_whole:
        yield "The run was interrupted: this is what was measured until then."


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("sh") else f"{noun}s"
    return f"1 {noun}" if count == 1 else f"{count:,} {plural}"
