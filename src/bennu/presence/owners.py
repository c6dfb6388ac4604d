"""Owners: the objects that track presences on this node, and the end of these presences. Protocol document, §6.2.

Theory of operation
-------------------
An *owner* is a channel, a raw socket's handler, a task, or any other object that can be a key of a dict. Each owner has
a number, the *actor* of its entries in the tracker. When an owner ends, its entries are removed.

With a *grace* time the entries are not removed at once. They wait in :class:`Grace`, under one timer. If the same key
of the same topic is tracked in this time, the new owner adopts such an entry. The entry keeps its old actor, and only
its owner changes. So the reload of a page is neither a leave nor a join. If the new meta differs, the reload is an
update.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from ..agent import Agent
from ..channel import Channel
from ..errors import AlreadyTracked, EncodeError, NotTracked, TooManyKeys
from ..user_code.callback import call_now
from ..user_code.functions import is_async
from .crdt import Diff
from .diffs import Diffs
from .names import meta_of, plain_text
from .net_effect import PREV, REF, Meta
from .tracker import Tracker

__all__ = ["Grace", "Owners", "topic_at", "topic_for", "topic_of"]

TopicKey = tuple[str, str]
"""A topic, and a key in it."""

_canonical: Final = msgspec.json.Encoder(order="deterministic").encode


class _Tracked:
    """The entries of one owner.

    Attributes:
        ident: The identity of the owner, a key of ``Owners``.
        actor: The number of the owner.
        entries: The actor of each entry, by its topic and key. An adopted entry has the actor of its first owner.
        release: Stops watching the owner for its end; None for an owner that has no end.
    """

    __slots__ = ("_owners", "actor", "entries", "ident", "release")

    def __init__(self, owners: Owners, ident: Hashable, actor: int) -> None:
        self._owners = owners
        self.ident = ident
        self.actor = actor
        self.entries: dict[TopicKey, int] = {}
        self.release: Callable[[], object] | None = None

    def cancel(self, _task: object = None) -> None:
        """Remove the owner, which has ended."""
        self._owners.end(self)


class Owners:
    """All owners in one ``Presence`` object on this node.

    Args:
        tracker: Keeps the entries of this node and of other nodes.
        diffs: Sends changes to clients.
        grace: Seconds for which entries outlive their owner.
        max_keys: The number of entries that a channel, or a raw socket's handler, can have.

    Attributes:
        tracker: The tracker.
        diffs: The diffs.
        is_closed: Whether nothing can be tracked any more.
    """

    def __init__(self, tracker: Tracker, diffs: Diffs, grace: float, max_keys: int) -> None:
        self.tracker = tracker
        self.diffs = diffs
        self.is_closed = False
        self._grace_time = grace
        self._max_keys = max_keys
        self._actors = itertools.count(1)
        self._owners: dict[Hashable, _Tracked] = {}
        self._grace = Grace()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._owners)

    def track(self, owner: Any, topic: str, key: str, meta: Meta) -> str:
        """Add a presence; return its phx_ref.

        Raises:
            AlreadyTracked: The owner tracks the key in this topic already.
            TooManyKeys: The owner is a channel or a raw socket's handler, and has ``max_keys`` entries.
            NotJoined: The owner is a channel that has ended.
        """
        ident = _ident(owner)
        tracked = self._owners.get(ident) or self._enter(owner, ident)
        place = (topic, key)
        if place in tracked.entries:
            raise AlreadyTracked(topic, key)
        if len(tracked.entries) >= self._max_keys and isinstance(owner, Agent):
            raise TooManyKeys(
                f"{type(cast('object', owner)).__name__} tracks {self._max_keys:,} keys already, for one client: give"
                " Presence(max_keys=...) a greater number, or track by an owner of your own, such as an object()"
            )
        if self._timer is not None and (adopted := self._grace.adopt(place, meta)) is not None:
            actor, is_same = adopted
            tracked.entries[place] = actor
            old = self.tracker.own(topic, actor, key)
            return str(old[REF]) if is_same else self._replace(topic, [(key, actor, meta, old)])[0]
        ref, diff = self.tracker.track(topic, tracked.actor, key, meta)
        tracked.entries[place] = tracked.actor
        self.diffs.change(diff)
        return ref

    def update(
        self, owner: Any, topic: str, metas: Mapping[str, Meta | Callable[[Meta], Any]]
    ) -> list[str]:
        """Replace the metas of some keys of a topic, in one diff; return their phx_refs.

        Args:
            owner: The owner.
            topic: The topic.
            metas: By key: the new meta, or a function that gets the present meta and returns the new one.

        Raises:
            NotTracked: The owner does not track one of the keys. No meta is changed.
        """
        tracked = self._owners.get(_ident(owner))
        planned: list[tuple[str, int, Meta, Meta]] = []
        for key, given in metas.items():
            actor = None if tracked is None else tracked.entries.get((topic, key))
            if actor is None:
                raise NotTracked(topic, key)
            old = self.tracker.own(topic, actor, key)
            meta = meta_of(_made(given, old)) if callable(given) else given
            planned.append((key, actor, meta, old))
        return self._replace(topic, planned)

    def untrack(self, owner: Any, topic: str | None, key: str | None) -> None:
        """Remove the entries of an owner: in one topic or in all topics, with one key or with all keys."""
        tracked = self._owners.get(_ident(owner))
        if tracked is None:
            return
        places = _matching(tracked.entries, topic, key)
        self._remove([(place, tracked.entries.pop(place)) for place in places])
        if not tracked.entries:
            self._leave(tracked)

    def end(self, tracked: _Tracked) -> None:
        """Remove an owner that has ended, and its entries: at once, or after the grace time."""
        self._owners.pop(tracked.ident, None)
        entries, tracked.entries = tracked.entries, {}
        if not entries:
            return
        if not self._grace_time:
            self._remove(list(entries.items()))
            return
        deadline = asyncio.get_running_loop().time() + self._grace_time
        for (topic, key), actor in entries.items():
            self._grace.add((topic, key), actor, self.tracker.own(topic, actor, key), deadline)
        if self._timer is None:
            self._arm()

    def close(self) -> None:
        """Remove all owners and entries at once. Nothing can be tracked after that."""
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        entries = self._grace.expire(float("inf"))
        for tracked in tuple(self._owners.values()):
            entries.extend(tracked.entries.items())
            self._leave(tracked)
        self._remove(entries)

    def _enter(self, owner: Any, ident: Hashable) -> _Tracked:
        """Add an owner, and watch for its end."""
        tracked = _Tracked(self, ident, next(self._actors))
        if isinstance(owner, Agent):
            subscriptions = owner._server.task.own("track").subscriptions
            subscriptions.add(tracked)
            tracked.release = lambda: subscriptions.discard(tracked)
        elif isinstance(owner, asyncio.Task):
            task = cast("asyncio.Task[Any]", owner)
            if task.done():
                raise ValueError(f"a task that is done can't be tracked: {task!r}")
            task.add_done_callback(tracked.cancel)
            tracked.release = lambda: task.remove_done_callback(tracked.cancel)
        self._owners[ident] = tracked
        return tracked

    def _leave(self, tracked: _Tracked) -> None:
        """Remove an owner that tracks nothing any more, before its end."""
        self._owners.pop(tracked.ident, None)
        if tracked.release is not None:
            tracked.release()

    def _replace(self, topic: str, planned: list[tuple[str, int, Meta, Meta]]) -> list[str]:
        """Replace the metas of keys of one topic, in one diff. Each plan is key, actor, new meta and old meta."""
        whole = Diff()
        refs: list[str] = []
        for key, actor, meta, old in planned:
            ref, diff = self.tracker.update(topic, actor, key, meta, old)
            refs.append(ref)
            whole.joins.extend(diff.joins)
            whole.leaves.extend(diff.leaves)
        self.diffs.change(whole)
        return refs

    def _remove(self, entries: list[tuple[TopicKey, int]]) -> None:
        whole = Diff()
        for (topic, key), actor in entries:
            whole.leaves.extend(self.tracker.untrack(topic, actor, key).leaves)
        self.diffs.change(whole)

    def _arm(self) -> None:
        """Set the timer that removes entries when their grace time is over."""
        deadline = self._grace.deadline
        loop = asyncio.get_running_loop()
        self._timer = None if deadline is None else loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        gone = self._grace.expire(asyncio.get_running_loop().time())
        self._arm()
        self._remove(gone)


@dataclass(eq=False, slots=True)
class _Ownerless:
    """An entry without an owner."""

    place: TopicKey
    actor: int
    content: bytes
    deadline: float
    is_adopted: bool = False


class Grace:
    """The entries whose owners have ended, until they are adopted or their time is over.

    After a break of the network ten thousand entries can come and be adopted within seconds. All can have the same
    key. So each step takes the same time, however many entries there are. Entries expire in the order in which they
    came. They are found by their topic, their key, and the content of their meta.
    """

    __slots__ = ("_entries", "_queue")

    def __init__(self) -> None:
        self._queue: deque[_Ownerless] = deque()
        # Topic and key -> content of the meta -> the entries with it; the latest is taken first.
        self._entries: dict[TopicKey, dict[bytes, dict[_Ownerless, None]]] = {}

    def add(self, place: TopicKey, actor: int, meta: Meta, deadline: float) -> None:
        """Add an entry.

        Args:
            place: Its topic and key.
            actor: The number of its owner.
            meta: Its meta.
            deadline: When the entry expires, in seconds of the event loop's clock. It must not be earlier than the
                deadline of an entry that was added before.
        """
        entry = _Ownerless(place, actor, _content_of(meta), deadline)
        self._queue.append(entry)
        self._entries.setdefault(place, {}).setdefault(entry.content, {})[entry] = None

    def adopt(self, place: TopicKey, meta: Meta) -> tuple[int, bool] | None:
        """Give an entry to a new owner: an entry with an equal meta, if there is one.

        Returns:
            The actor of the entry, and whether its meta is equal; or None if there is no entry.
        """
        by_content = self._entries.get(place)
        if by_content is None:
            return None
        content = _content_of(meta)
        entries = by_content.get(content) or by_content[next(reversed(by_content))]
        entry = next(reversed(entries))
        self._forget(entry)
        entry.is_adopted = True
        return entry.actor, entry.content == content

    def expire(self, now: float) -> list[tuple[TopicKey, int]]:
        """Remove the entries whose time is over; return their topics, keys and actors."""
        gone: list[tuple[TopicKey, int]] = []
        queue = self._queue
        while queue and (queue[0].is_adopted or queue[0].deadline <= now):
            entry = queue.popleft()
            if not entry.is_adopted:
                self._forget(entry)
                gone.append((entry.place, entry.actor))
        return gone

    @property
    def deadline(self) -> float | None:
        """When the next entry expires."""
        return self._queue[0].deadline if self._queue else None

    def _forget(self, entry: _Ownerless) -> None:
        by_content = self._entries[entry.place]
        entries = by_content[entry.content]
        del entries[entry]
        if not entries:
            del by_content[entry.content]
            if not by_content:
                del self._entries[entry.place]


def topic_of(owner: Any) -> str | None:
    """Return the topic of a channel, or None for other owners."""
    return owner.topic if isinstance(owner, Channel) else None


def topic_for(method: str, owner: Any, topic: str | None) -> str:
    """Return the topic in which an owner tracks: the given one, or a channel's own. Errors name the method.

    Raises:
        TypeError: There is no topic, or the topic is no text.
        EncodeError: The topic can't be encoded in UTF-8.
    """
    found: Any = owner.topic if topic is None and isinstance(owner, Channel) else topic
    if found is None:
        raise TypeError(
            f"presence.{method}(...) needs a topic, since {type(cast('object', owner)).__name__} is no channel:"
            ' write topic="room:1"'
        )
    if not isinstance(found, str):
        raise TypeError(f"a topic is text, got {found!r}")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"a topic must be text that UTF-8 can encode: {error}") from error
    return found if type(found) is str else plain_text(found)


def topic_at(place: Any) -> str:
    """Return a topic, or the topic of a channel.

    Raises:
        TypeError: ``place`` is neither a topic nor a channel.
    """
    found = place if isinstance(place, str) else topic_of(place)
    if found is None:
        raise TypeError(
            f'expected a channel or a topic, got {place!r}: write presence.list("room:1")'
        )
    return found


def _matching(
    entries: Mapping[TopicKey, int], topic: str | None, key: str | None
) -> list[TopicKey]:
    """Return the places in one topic or in all topics, with one key or with all keys."""
    if topic is not None and key is not None:  # no search: there can be thousands of entries
        return [(topic, key)] if (topic, key) in entries else []
    return [
        place
        for place in entries
        if (topic is None or place[0] == topic) and (key is None or place[1] == key)
    ]


def _ident(owner: Any) -> Hashable:
    """Return what identifies an owner: itself, or for an agent the object that runs it."""
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
    """Return the new meta that a function makes from the present meta."""
    if is_async(function):
        raise TypeError(
            "the function of an update is called at once, and can't be awaited: write `def`, not"
            " `async def`, and await the data that it needs before the update"
        )
    return call_now("the function of an update", function, msgspec.to_builtins(old))


def _content_of(meta: Meta) -> bytes:
    """Return the content of a meta, without its refs: the same bytes for equal content."""
    return _canonical({name: value for name, value in meta.items() if name not in (REF, PREV)})
