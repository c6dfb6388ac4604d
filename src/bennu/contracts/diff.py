"""Compares two AsyncAPI documents of Bennu: what breaks a client that was written for the old one, and what does not. Pure.

Parts are compared by what is on the wire: sockets by their path, topics by their pattern without the names of the parameters,
operations by their event. So a class can have another name, and nothing breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..limits.rate import Rate
from .documents import (
    FACTS,
    Json,
    channels_of,
    credentials_of,
    declared_errors,
    operations_of,
    payload_of,
    place_of,
    query_of,
    replies_of,
    response_of,
    schemas_in,
    sockets_of,
)
from .draft7 import Schema
from .rules import ContractRule
from .schema_diff import SchemaChange, SchemaComparison
from .schemas import Direction

__all__ = ["ContractChange", "NotAContract", "compare"]

CLIENT_LIMITS: Final = (
    "timeout", "max_frame_size", "max_channels", "max_ref_size", "max_topic_size", "max_event_size", "max_values",
    "rates.joins", "rates.messages", "rates.bytes",
)  # fmt: skip
"""What a socket lets a client do."""


class NotAContract(ValueError):
    """A document that ``bennu asyncapi`` has not written."""


class ContractChange(NamedTuple):
    """One difference between two contracts.

    Attributes:
        rule: Its kind.
        where: The socket, topic, event and field, as clients know them.
        old: What was there.
        new: What is there now.
    """

    rule: ContractRule
    where: str
    old: str
    new: str

    @property
    def breaks(self) -> bool:
        """Whether it breaks a client that was written for the old contract."""
        return self.rule.breaks

    def __str__(self) -> str:
        """Return the change as one line."""
        change = f": {self.old} -> {self.new}" if self.old or self.new else ""
        return f"{self.where}: {self.rule.text}{change} ({self.rule.meaning})"


def compare(old: Json, new: Json) -> list[ContractChange]:
    """Return the differences between two documents of ``bennu asyncapi``, what breaks a client first.

    Args:
        old: The document for which clients were written.
        new: The document of the server to which they will connect.

    Raises:
        NotAContract: A document was not written by ``bennu asyncapi``.
    """
    changes = [*_Documents(_checked(old), _checked(new)).changes()]
    return sorted(
        dict.fromkeys(changes), key=lambda one: (not one.breaks, one.where, one.rule.text)
    )


def _checked(document: Any) -> Json:
    """Return a document whose parts :class:`_Documents` can read."""
    is_object = isinstance(document, Mapping)
    parts: list[Any] = (
        [document.get(one) for one in ("servers", "channels", "operations")] if is_object else []
    )
    if not parts or not all(isinstance(one, Mapping) for one in parts):
        raise NotAContract(
            "expected an AsyncAPI 3.0 document of `bennu asyncapi`, with servers, channels and operations"
        )
    if any(FACTS not in one for one in document["servers"].values()):
        raise NotAContract("expected a document of `bennu asyncapi`: a server in it has no x-bennu")
    found: Json = document
    return found


class _Documents:
    """Two documents.

    Args:
        old: The old one.
        new: The new one.
    """

    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new
        self._schemas: tuple[Json, Json] = (schemas_in(old), schemas_in(new))

    def changes(self) -> Iterator[ContractChange]:
        """Yield the differences."""
        yield from self._sockets()
        olds, news = channels_of(self._old), channels_of(self._new)
        for key in olds.keys() - news.keys():
            if key[0] in {one[0] for one in news} or not news:
                yield ContractChange(ContractRule.TOPIC_REMOVED, place_of(olds[key][1]), "", "")
        for key in news.keys() - olds.keys():
            if key[0] in {one[0] for one in olds} or not olds:
                yield ContractChange(ContractRule.TOPIC_ADDED, place_of(news[key][1]), "", "")
        for key in (one for one in olds if one in news):
            yield from self._channel(olds[key], news[key])

    def _values(
        self, direction: Direction, where: str, old: Schema, new: Schema
    ) -> Iterator[ContractChange]:
        comparison = SchemaComparison(*self._schemas, direction)
        yield from (_changed(where, one) for one in comparison.compare(old, new))

    # Sockets.

    def _sockets(self) -> Iterator[ContractChange]:
        olds, news = sockets_of(self._old), sockets_of(self._new)
        for path in olds.keys() - news.keys():
            yield ContractChange(ContractRule.SOCKET_REMOVED, path, "", "")
        for path in news.keys() - olds.keys():
            yield ContractChange(ContractRule.SOCKET_ADDED, path, "", "")
        for path in (one for one in olds if one in news):
            old, new = olds[path], news[path]
            for name in old.keys() - new.keys():
                yield ContractChange(ContractRule.TRANSPORT_REMOVED, path, name, "")
            for name in new.keys() - old.keys():
                yield ContractChange(ContractRule.TRANSPORT_ADDED, path, "", name)
            was, now = next(iter(old.values())), next(iter(new.values()))
            yield from _of_texts(
                path, credentials_of(self._old, was), credentials_of(self._new, now),
                ContractRule.SECURITY_REMOVED, ContractRule.SECURITY_ADDED,
            )  # fmt: skip
            yield from _of_reasons(f"{path} connect", was[FACTS], now[FACTS])
            yield from _of_limits(path, was[FACTS].get("limits", {}), now[FACTS].get("limits", {}))
            yield from self._values(
                "in", f"{path} connect", query_of(self._old, path), query_of(self._new, path)
            )

    # Topics.

    def _channel(self, old: tuple[str, Json], new: tuple[str, Json]) -> Iterator[ContractChange]:
        where = place_of(new[1])
        was, now = old[1].get(FACTS, {}), new[1].get(FACTS, {})
        yield from self._parameters(where, old[1], new[1])
        yield from _of_history(where, was.get("history"), now.get("history"))
        olds, news = operations_of(self._old, old[0]), operations_of(self._new, new[0])
        takes_any = bool(now.get("takes_any_event"))
        for (action, event), one in olds.items():
            other = news.get((action, event))
            is_in = action == "receive"
            if other is not None:
                yield from self._operation(f"{where} {event}", is_in, one, other)
            elif not (is_in and takes_any) and not (not is_in and now.get("sends_more")):
                rule = ContractRule.EVENT_IN_REMOVED if is_in else ContractRule.EVENT_OUT_REMOVED
                yield ContractChange(rule, f"{where} {event}", "", "")
        for action, event in news.keys() - olds.keys():
            is_in = action == "receive"
            rule = ContractRule.EVENT_IN_ADDED if is_in else ContractRule.EVENT_OUT_ADDED
            yield ContractChange(rule, f"{where} {event}", "", "")

    def _parameters(self, where: str, old: Json, new: Json) -> Iterator[ContractChange]:
        """Compare the types of a topic's parameters, in their order."""
        olds, news = (
            [one.get(FACTS, {}).get("schema", {}) for one in of.get("parameters", {}).values()]
            for of in (old, new)
        )
        for was, now in zip(olds, news, strict=False):
            for one in SchemaComparison(*self._schemas, "in").compare(was, now):
                # An int is written as text, so each int is one of the texts of a str.
                is_text = "string" in (was.get("type"), now.get("type"))
                if is_text and one.rule.breaks and now.get("type") == "string":
                    continue
                if (
                    is_text
                    and not one.rule.breaks
                    and was.get("type") == "string"
                    and "format" not in was
                ):
                    continue
                rule = (
                    ContractRule.PARAMETER_NARROWED
                    if one.rule.breaks
                    else ContractRule.PARAMETER_WIDENED
                )
                yield ContractChange(rule, where, one.old, one.new)

    # Events.

    def _operation(self, where: str, is_in: bool, old: Json, new: Json) -> Iterator[ContractChange]:
        direction: Direction = "in" if is_in else "out"
        yield from self._values(
            direction, where, payload_of(self._old, old), payload_of(self._new, new)
        )
        if not is_in:
            return
        was, now = old.get(FACTS, {}), new.get(FACTS, {})
        yield from _of_reasons(where, was, now)
        yield from _of_rate(where, was.get("rate"), now.get("rate"))
        yield from _of_texts(
            where,
            {str(was["idempotent_by"])} if "idempotent_by" in was else set(),
            {str(now["idempotent_by"])} if "idempotent_by" in now else set(),
            ContractRule.IDEMPOTENCE_REMOVED,
            ContractRule.IDEMPOTENCE_ADDED,
        )
        yield from self._replies(where, old, new)

    def _replies(self, where: str, old: Json, new: Json) -> Iterator[ContractChange]:
        olds, news = replies_of(self._old, old), replies_of(self._new, new)
        for status in ("ok", "other"):
            was, now = olds.get(status), news.get(status)
            place = f"{where} -> {status}"
            if was is not None and now is not None:
                yield from self._values("out", place, response_of(was), response_of(now))
            elif was is not None:
                yield ContractChange(ContractRule.REPLY_REMOVED, place, "", "")
            elif now is not None:
                yield ContractChange(ContractRule.REPLY_ADDED, place, "", "")
        was_error, now_error = response_of(olds["error"]), response_of(news["error"])
        declared = declared_errors(was_error)
        if declared is not None:
            now_error = declared_errors(now_error) or now_error
            yield from self._values("out", f"{where} -> error", declared, now_error)
        if "ok" in olds and "ok" in news:
            was_certain = old.get(FACTS, {}).get("always_replies", True)
            is_certain = new.get(FACTS, {}).get("always_replies", True)
            if was_certain and not is_certain:
                yield ContractChange(ContractRule.REPLY_UNCERTAIN, where, "always", "sometimes")
            elif is_certain and not was_certain:
                yield ContractChange(ContractRule.REPLY_CERTAIN, where, "sometimes", "always")


# Changes.


def _changed(where: str, change: SchemaChange) -> ContractChange:
    place = f"{where}: {change.path}" if change.path else where
    return ContractChange(change.rule, place, change.old, change.new)


def _of_texts(
    where: str, old: set[str], new: set[str], removed: ContractRule, added: ContractRule
) -> Iterator[ContractChange]:
    yield from (ContractChange(removed, where, one, "") for one in sorted(old - new))
    yield from (ContractChange(added, where, "", one) for one in sorted(new - old))


def _of_reasons(where: str, old: Json, new: Json) -> Iterator[ContractChange]:
    """Compare the reasons. One that is gone while another came can be the same with another name."""
    own = "refusals"
    was, now = set(old.get(own, ())), set(new.get(own, ()))
    gone, came = sorted(was - now), sorted(now - was)
    if gone and came:
        yield ContractChange(ContractRule.REASON_CHANGED, where, ", ".join(gone), ", ".join(came))
        gone, came = [], []
    of_bennu = set(old.get("reasons", ())), set(new.get("reasons", ()))
    gone += sorted(of_bennu[0] - of_bennu[1])
    came += sorted(of_bennu[1] - of_bennu[0])
    yield from (ContractChange(ContractRule.REASON_REMOVED, where, one, "") for one in gone)
    yield from (ContractChange(ContractRule.REASON_ADDED, where, "", one) for one in came)


def _of_limits(where: str, old: Json, new: Json) -> Iterator[ContractChange]:
    """Compare what a socket lets a client do. Its other limits are between the server and its memory."""
    for name in CLIENT_LIMITS:
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if name.startswith("rates."):
            lower = any(one < other for one, other in zip(_speed(now), _speed(was), strict=True))
        else:
            lower = _length(now) < _length(was)
        rule = ContractRule.LIMIT_LOWERED if lower else ContractRule.LIMIT_RAISED
        yield ContractChange(rule, where, _limit(name, was), _limit(name, now))


def _limit(name: str, value: object) -> str:
    return f"no {name}" if value is None else f"{name} {value}"


def _of_rate(where: str, old: str | None, new: str | None) -> Iterator[ContractChange]:
    if old == new:
        return
    was, now = _speed(old), _speed(new)
    is_lower = now[0] < was[0] or now[1] < was[1]
    rule = ContractRule.RATE_LOWERED if is_lower else ContractRule.RATE_RAISED
    yield ContractChange(rule, where, old or "no limit", new or "no limit")


def _speed(text: str | None) -> tuple[float, float]:
    """Return how many pushes a rate allows in a second, and at once."""
    if text is None:
        return float("inf"), float("inf")
    rate = Rate.parse(text)
    return rate.count / rate.per, rate.burst


def _of_history(where: str, old: Json | None, new: Json | None) -> Iterator[ContractChange]:
    if old is None or new is None:
        if old is not None:
            yield ContractChange(ContractRule.HISTORY_REMOVED, where, "", "")
        elif new is not None:
            yield ContractChange(ContractRule.HISTORY_ADDED, where, "", "")
        return
    for name in ("size", "ttl"):
        was, now = _length(old[name]), _length(new[name])
        if now < was:
            rule = ContractRule.HISTORY_SHORTENED
            yield ContractChange(rule, where, f"{name} {was:g}", f"{name} {now:g}")


def _length(number: float | None) -> float:
    """Return a bound of a history as a number: None is no bound."""
    return float("inf") if number is None else number
