"""The roll of this node: who tracks what here, and what becomes of it at the end. Protocol document, §6.2.

Theory of operation
-------------------
An *owner* is whoever a presence stands for: a channel, a raw socket's handler, a task, or any object that can
be a key of a dict. Each has a number, the *actor* of its entries. When an owner ends, its entries go.

With a *grace* time they don't go at once: they become orphans (:mod:`bennu.presence.grace`), under one timer. If
somebody tracks the same key of the same topic meanwhile, it adopts the orphan: the entry stays where it is, under
its old actor, and only its owner changes. So a page that is loaded again is no leave and no join; if its meta
is another one, it is an update.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, cast

from ..agent import Agent
from ..channel import Channel
from ..errors import AlreadyTracked, NotTracked, TooManyKeys
from ..user_code.callback import call_now
from ..user_code.functions import is_async
from .boards import Boards
from .crdt import Diff
from .grace import Orphans, Place
from .names import meta_of
from .net_effect import REF, Meta, copy_of
from .tracker import Tracker

__all__ = ["Roll", "topic_of"]


class _Owned(Protocol):
    subscriptions: set[Any]


class _OwnRuntime(Protocol):
    """What ends with a channel or a raw socket's handler."""

    def own(self) -> _Owned: ...


class _Record:
    """What one owner tracks: the actor under which each entry stands.

    Attributes:
        release: How it lets go of its owner, if it ends before it.
    """

    __slots__ = ("_roll", "actor", "entries", "owner", "release")

    def __init__(self, roll: Roll, owner: Hashable, actor: int) -> None:
        self._roll = roll
        self.owner = owner
        self.actor = actor
        self.entries: dict[Place, int] = {}
        self.release: Callable[[], object] = _nothing

    def cancel(self) -> None:
        """Take the news that the owner has ended."""
        self._roll.end(self)


class Roll:
    """All owners of one presence on this node.

    Args:
        tracker: Where their entries are kept.
        boards: What is told of changes.
        grace: Seconds that entries outlive their owner.
        max_keys: How many entries an owner may have that does what a client asks.
    """

    def __init__(self, tracker: Tracker, boards: Boards, grace: float, max_keys: int) -> None:
        self._tracker = tracker
        self._boards = boards
        self._grace = grace
        self._max_keys = max_keys
        self._actors = itertools.count(1)
        self._records: dict[Hashable, _Record] = {}
        self._orphans = Orphans()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._records)

    # What owners do.

    def track(self, owner: Any, topic: str, key: str, meta: Meta) -> str:
        """Add a presence; return its phx_ref.

        Raises:
            AlreadyTracked: The owner has it.
            TooManyKeys: The owner does what a client asks, and has as many as it may.
            NotJoined: The owner is a channel that has ended.
        """
        ident = _ident(owner)
        record = self._records.get(ident)
        if record is None:
            record = self._enter(owner, ident)
        place = (topic, key)
        if place in record.entries:
            raise AlreadyTracked(topic, key)
        if len(record.entries) >= self._max_keys and isinstance(owner, Agent):
            raise TooManyKeys(
                f"{type(cast('object', owner)).__name__} tracks {self._max_keys:,} keys already, for one client: give"
                " Presence(max_keys=...) a greater number, or track by an owner of your own, such as an object()"
            )
        if self._orphans and (adopted := self._orphans.adopt(place, meta)) is not None:
            actor, is_same = adopted
            record.entries[place] = actor
            old = self._tracker.own(topic, actor, key)
            return str(old[REF]) if is_same else self._replace(topic, [(key, actor, meta, old)])[0]
        ref, diff = self._tracker.track(topic, record.actor, key, meta)
        record.entries[place] = record.actor
        self._boards.change(diff)
        return ref

    def update(
        self, owner: Any, topic: str, metas: Mapping[str, Meta | Callable[[Meta], Any]]
    ) -> list[str]:
        """Replace the metas of some keys of a topic, in one diff; return their phx_refs.

        Args:
            owner: Who tracks them.
            topic: The topic.
            metas: By key: the new meta, or a function that makes it of the present one.

        Raises:
            NotTracked: The owner does not track one of them; then nothing has changed.
        """
        record = self._records.get(_ident(owner))
        planned: list[tuple[str, int, Meta, Meta]] = []
        for key, given in metas.items():
            actor = None if record is None else record.entries.get((topic, key))
            if actor is None:
                raise NotTracked(topic, key)
            old = self._tracker.own(topic, actor, key)
            meta = meta_of(_made(given, old)) if callable(given) else given
            planned.append((key, actor, meta, old))
        return self._replace(topic, planned)

    def untrack(self, owner: Any, topic: str | None, key: str | None) -> None:
        """Remove what an owner tracks: of a topic, or of all; of a key, or of all."""
        record = self._records.get(_ident(owner))
        if record is None:
            return
        places = _matching(record.entries, topic, key)
        self._remove([(place, record.entries.pop(place)) for place in places])
        if not record.entries:
            record.release()
            self._records.pop(record.owner, None)

    def end(self, record: _Record) -> None:
        """Let an owner go that has ended; what it tracked goes with it, or stays for its grace."""
        self._records.pop(record.owner, None)
        entries, record.entries = record.entries, {}
        if not entries:
            return
        if not self._grace:
            self._remove(list(entries.items()))
            return
        deadline = asyncio.get_running_loop().time() + self._grace
        for (topic, key), actor in entries.items():
            self._orphans.add((topic, key), actor, self._tracker.own(topic, actor, key), deadline)
        if self._timer is None:
            self._arm()

    def close(self) -> None:
        """Remove everything, at once."""
        if self._timer is not None:
            self._timer.cancel()
        entries = self._orphans.expire(float("inf"))
        for record in self._records.values():
            record.release()
            entries.extend(record.entries.items())
            record.entries = {}
        self._records.clear()
        self._remove(entries)

    def _enter(self, owner: Any, ident: Hashable) -> _Record:
        """Enter an owner, and have its end told."""
        record = _Record(self, ident, next(self._actors))
        if isinstance(owner, Agent):
            owned = cast("_OwnRuntime", ident).own()
            owned.subscriptions.add(record)
            record.release = lambda: owned.subscriptions.discard(record)
        elif isinstance(owner, asyncio.Task):
            task = cast("asyncio.Task[Any]", owner)
            if task.done():
                raise ValueError(f"a task that is done can't be tracked: {task!r}")

            def callback(task: asyncio.Task[Any]) -> None:
                del task
                record.cancel()

            task.add_done_callback(callback)
            record.release = lambda: task.remove_done_callback(callback)
        self._records[ident] = record
        return record

    def _replace(self, topic: str, planned: list[tuple[str, int, Meta, Meta]]) -> list[str]:
        """Give keys of one topic new metas, in one diff; each is key, actor, new and old meta."""
        whole = Diff()
        refs: list[str] = []
        for key, actor, meta, old in planned:
            ref, diff = self._tracker.update(topic, actor, key, meta, old)
            refs.append(ref)
            whole.joins.extend(diff.joins)
            whole.leaves.extend(diff.leaves)
        self._boards.change(whole)
        return refs

    def _remove(self, entries: list[tuple[Place, int]]) -> None:
        whole = Diff()
        for (topic, key), actor in entries:
            whole.leaves.extend(self._tracker.untrack(topic, actor, key).leaves)
        self._boards.change(whole)

    def _arm(self) -> None:
        """Have those removed whose grace is over, when it is."""
        deadline = self._orphans.deadline
        loop = asyncio.get_running_loop()
        self._timer = None if deadline is None else loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        gone = self._orphans.expire(asyncio.get_running_loop().time())
        self._arm()
        self._remove(gone)


def _matching(entries: Mapping[Place, int], topic: str | None, key: str | None) -> list[Place]:
    """Return which places are of a topic, or of all; of a key, or of all."""
    if topic is not None and key is not None:
        # One owner may have thousands, which need not be looked at.
        return [(topic, key)] if (topic, key) in entries else []
    return [
        place
        for place in entries
        if (topic is None or place[0] == topic) and (key is None or place[1] == key)
    ]


def topic_of(owner: object) -> str | None:
    """Return the topic of a channel, or None for other owners."""
    return cast("Channel[Any, Any]", owner).topic if isinstance(owner, Channel) else None


def _ident(owner: Any) -> Hashable:
    """Return what an owner is known by: itself, and for an agent what runs it."""
    if isinstance(owner, Agent):
        return cast("Hashable", owner._server)
    try:
        hash(owner)
    except TypeError as error:
        raise TypeError(
            "an owner is a channel, a task, or another object that can be a key of a dict, got a"
            f" {type(owner).__name__}: write `self` in a channel, or keep an `object()` for it"
        ) from error
    return cast("Hashable", owner)


def _made(function: Callable[[Meta], Any], old: Meta) -> Any:
    """Return the meta that a function makes of the present one."""
    if is_async(function):
        raise TypeError(
            "the function of an update is called at once, and can't be awaited: write `def`, not"
            " `async def`, and await what it needs before the update"
        )
    return call_now("the function of an update", function, copy_of(old))


def _nothing() -> None:
    """Release nothing."""
