"""The mutations that the explorer must find: each removes one rule of the real code, of the store, or of the clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bennu.history import gate as gate_module
from bennu.history.answer import NotRecovered
from bennu.history.gate import Gate
from bennu.history.member import HistoryMember, MemberState
from bennu.history.pending import PendingEntries
from bennu.history.position import Asked, Position
from bennu.history.run import Bounds, Run, Tail, Verdict, judge
from bennu.store import LogEntry, Page

from .explorer_world import MODEL

__all__ = ["MUTATIONS", "NONE", "Mutation"]


class Mutation(NamedTuple):
    """A rule that is removed."""

    name: str
    text: str
    gate: type[Gate] = Gate
    patches: Sequence[tuple[Any, str, Any]] = ()
    """An object, the name of an attribute, and its value."""
    weights: Mapping[str, float] = {}
    """Steps that find it faster, and how often they are tried."""


NONE: Final = Mutation("", "the real code")


# The gate


class PassesGaps(Gate):
    """Mutation ``no_gap``."""

    def receive(self, epoch: str, entry: LogEntry) -> None:
        if epoch == self.epoch and entry.offset > self.last:
            self.last = entry.prev
        super().receive(epoch, entry)


class EntersEarly(Gate):
    """Mutation ``lane_early``."""

    def settle(self, member: HistoryMember) -> bool:
        member.cursor = self.last
        return super().settle(member)


class SkipsTrimmed(Gate):
    """Mutation ``trim_replay``."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: set[HistoryMember] = set()

    def join(self, member: HistoryMember) -> None:
        self.seen.add(member)
        super().join(member)

    def answer(self, page: Page) -> None:
        if page.epoch == self.epoch and page.entries:
            first = page.entries[0]
            for one in self.seen:
                is_waiting = one.state is MemberState.CATCHING_UP and not one.queue
                if is_waiting and one.cursor < first.prev <= self.last:
                    one.cursor = first.prev
        super().answer(page)


class LosesIntercepted(Gate):
    """Mutation ``detach_last``."""

    def detach(self, member: HistoryMember, first: LogEntry | None = None) -> None:
        super().detach(member)


class ForgetsCut(Gate):
    """Mutation ``never_cut``."""

    def answer(self, page: Page) -> None:
        super().answer(page._replace(is_cut=False))


class ForgetsNobody(Gate):
    """Mutation ``leave_stays``."""

    def leave(self, member: HistoryMember) -> None:
        member.state = MemberState.GONE


class StartsLate(Gate):
    """Mutation ``starts_late``."""

    def join(self, member: HistoryMember) -> None:
        stood_at, member.stood_at = member.stood_at, None
        super().join(member)
        member.stood_at = stood_at


# Functions and methods


def judge_no_epoch(
    asked: Asked, floor: float | None, epoch: str, last: int, run: Run, bounds: Bounds
) -> Verdict | None:
    if asked.position is None or asked.position.epoch == epoch:
        return judge(asked, floor, epoch, last, run, bounds)
    position = Position(epoch, asked.position.offset)
    verdict = judge(asked._replace(position=position), floor, epoch, last, run, bounds)
    return verdict or Verdict(NotRecovered.EPOCH)


def judge_off_by_one(
    asked: Asked, floor: float | None, epoch: str, last: int, run: Run, bounds: Bounds
) -> Verdict | None:
    verdict = judge(asked, floor, epoch, last, run, bounds)
    position = asked.position
    if verdict is None or verdict.missed is not NotRecovered.TRIMMED or position is None:
        return verdict
    for step in range(1, 5 if any(one.prev != one.offset - 1 for one in run.entries) else 2):
        near = asked._replace(position=Position(position.epoch, position.offset + step))
        other = judge(near, floor, epoch, last, run, bounds)
        if other is not None and other.missed is None:
            return other
    return verdict


def judge_tail(
    asked: Asked, floor: float | None, epoch: str, last: int, run: Run, bounds: Bounds
) -> Verdict | None:
    return judge(asked, floor, epoch, last, run._replace(newest=max(last, run.newest)), bounds)


def judge_no_floor(
    asked: Asked, floor: float | None, epoch: str, last: int, run: Run, bounds: Bounds
) -> Verdict | None:
    return judge(asked, None, epoch, last, run, bounds)


def judge_certain(
    asked: Asked, floor: float | None, epoch: str, last: int, run: Run, bounds: Bounds
) -> Verdict | None:
    return judge(asked, floor, epoch, last, run, bounds) or Verdict(NotRecovered.TRIMMED)


def covers_all(run: Run, offset: int) -> bool:
    return True


def loose_run(after: int, page: Page, tail: Iterable[LogEntry], last: int) -> Run:
    entries = list(page.entries)
    end = entries[-1].offset if entries else page.newest
    entries += [one for one in tail if one.offset > end]
    end = entries[-1].offset if entries else page.newest
    return Run(after, end, page.newest, entries, is_whole=end == last or not page.is_cut)


def loose_following(entries: Sequence[LogEntry], offset: int) -> Sequence[LogEntry]:
    return [one for one in entries if one.offset > offset]


def lowest_start(pending: PendingEntries, epoch: str, newest: int) -> int:
    return max(0, newest - 1)


def clear_nothing(tail: Tail) -> None:
    """Keep all entries."""


GATE: Final = gate_module
OWN: Final = (
    Mutation(
        "covers_all",
        "a position that a cut page did not reach counts as trimmed",
        patches=[(Run, "covers", covers_all)],
    ),
    Mutation(
        "loose_tail",
        "a run takes entries of the tail that do not follow its page",
        patches=[(Run, "of", staticmethod(loose_run))],
    ),
    Mutation(
        "loose_settle",
        "a member that catches up goes on with a tail that does not follow its cursor",
        patches=[(GATE, "following", loose_following)],
    ),
    Mutation(
        "opens_low",
        "the first read opens the gate below the newest entry, without the entries from there on",
        patches=[(PendingEntries, "start", lowest_start)],
    ),
    Mutation(
        "counts_tail",
        "entries that came after the read count for the bounds",
        patches=[(GATE, "judge", judge_tail)],
    ),
    Mutation(
        "no_floor",
        "a client gets entries from before its floor",
        patches=[(GATE, "judge", judge_no_floor)],
    ),
    Mutation(
        "certain",
        "a position that a cut page does not decide is refused",
        patches=[(GATE, "judge", judge_certain)],
    ),
    Mutation(
        "starts_late",
        "a client that begins anew starts at the newest entry, though its state is older",
        gate=StartsLate,
    ),
    Mutation("kick_stays", "a member that is kicked stays in the lane"),
    Mutation("detach_last", "an intercepted entry is left out", gate=LosesIntercepted),
    Mutation("never_cut", "a page that is cut counts as whole", gate=ForgetsCut),
    Mutation("leave_stays", "a member that has ended is kept", gate=ForgetsNobody),
    Mutation("tail_stays", "a tail is kept for ever", patches=[(Tail, "clear", clear_nothing)]),
)

_GATES: Final[Mapping[str, type[Gate]]] = {
    "no_gap": PassesGaps,
    "lane_early": EntersEarly,
    "trim_replay": SkipsTrimmed,
}
_JUDGES: Final = {"no_epoch": judge_no_epoch, "off_by_one": judge_off_by_one}
_WEIGHTS: Final[Mapping[str, Mapping[str, float]]] = {
    "early": {"time_out": 30.0, "receive": 40.0, "cut": 5.0},
    "no_check": {"publish": 2.0},
}

MUTATIONS: Final = {
    one.name: one
    for one in (
        *(
            Mutation(
                name,
                text,
                _GATES.get(name, Gate),
                [(GATE, "judge", _JUDGES[name])] if name in _JUDGES else (),
                _WEIGHTS.get(name, {}),
            )
            for name, text in MODEL.items()
        ),
        *OWN,
    )
}
"""The mutations by name: those of the design first."""
