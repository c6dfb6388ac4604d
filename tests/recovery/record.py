"""What clients have seen, and whether it is what they were promised."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Record", "Seen", "Verdict", "judge"]


class Seen(NamedTuple):
    """An entry that a client has taken.

    Attributes:
        epoch: The epoch.
        offset: The offset.
        name: What the message says of itself.
    """

    epoch: str
    offset: int
    name: str


@dataclass
class Record:
    """What one client has seen of one topic.

    Attributes:
        client: The client.
        topic: The topic.
        parts: The entries, in parts: each begins at the position that a join without recovery said.
        missed: How often the client was told each reason.
        recovered: How often it was told that it gets everything.
    """

    client: str
    topic: str
    parts: list[tuple[str, int, list[Seen]]] = field(
        default_factory=list[tuple[str, int, list[Seen]]]
    )
    missed: Counter[str] = field(default_factory=Counter[str])
    recovered: int = 0

    def begin(self, epoch: str, offset: int) -> None:
        """Begin a new part, because the application loads its state afresh."""
        self.parts.append((epoch, offset, []))

    def take(self, seen: Seen) -> None:
        """Note an entry."""
        self.parts[-1][2].append(seen)


@dataclass
class Verdict:
    """What a run came to.

    Attributes:
        published: Messages that were confirmed.
        entries: Entries of all logs that somebody has seen.
        taken: Entries that clients have taken.
        recovered: Joins that got everything.
        missed: Joins that did not, by reason.
        wrong: What is wrong.
    """

    published: int = 0
    entries: int = 0
    taken: int = 0
    recovered: int = 0
    missed: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])


def judge(
    records: list[Record],
    heads: dict[str, tuple[str, int]],
    confirmed: dict[str, str],
    own: dict[str, str],
) -> Verdict:
    """Compare what clients have seen with what they were promised.

    Args:
        records: What each client has seen of each topic.
        heads: The epoch and the newest offset of each topic at the end.
        confirmed: The topic of each message whose sender got an ok, by the message's id.
        own: The client that must not get a message, by the message's id.
    """
    verdict = Verdict(published=len(confirmed))
    wrong = verdict.wrong
    logs: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for record in records:
        verdict.recovered += record.recovered
        verdict.missed += record.missed
        for epoch, _, entries in record.parts:
            for seen in entries:
                verdict.taken += 1
                first = logs[record.topic, epoch].setdefault(seen.offset, seen.name)
                if first != seen.name:
                    wrong.append(
                        f"{record.topic} {seen.offset}:{epoch} is both {first} and {seen.name}"
                    )
    verdict.entries = sum(map(len, logs.values()))
    for record in records:
        _judge_record(record, logs, heads[record.topic], own, wrong)
    places: dict[str, int] = Counter(name for log in logs.values() for name in log.values())
    for name, count in places.items():
        if count > 1:
            wrong.append(f"message {name} is {count} times in the logs")
    epochs = {topic: epoch for topic, (epoch, _) in heads.items()}
    if not any(verdict.missed[reason] for reason in verdict.missed if reason != "new"):
        lost = [one for one, topic in confirmed.items() if one not in places and topic in epochs]
        wrong += [f"message {one} was confirmed, and nobody has seen it" for one in lost]
    return verdict


def _judge_record(
    record: Record,
    logs: dict[tuple[str, str], dict[int, str]],
    head: tuple[str, int],
    own: dict[str, str],
    wrong: list[str],
) -> None:
    who = f"{record.client} on {record.topic}"
    if not record.parts:
        wrong.append(f"{who} has never joined")
        return
    for number, (epoch, start, entries) in enumerate(record.parts):
        log = logs[record.topic, epoch]
        offsets = [seen.offset for seen in entries]
        if sorted(set(offsets)) != offsets:
            wrong.append(f"{who} has seen repeats or a wrong order in {epoch}")
        is_last = number == len(record.parts) - 1
        end = head[1] if is_last else max(offsets, default=start)
        due = [o for o in sorted(log) if start < o <= end and own.get(log[o]) != record.client]
        if due != offsets:
            holes = [o for o in due if o not in set(offsets)]
            extra = [o for o in offsets if o not in set(due)]
            wrong.append(
                f"{who}: holes {holes[:5]} ({len(holes)}), not due {extra[:5]}, in {epoch}"
            )
        if is_last and epoch != head[0]:
            wrong.append(f"{who} ends in the epoch {epoch}, the log in {head[0]}")
