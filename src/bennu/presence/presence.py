"""Presence: who is in each topic, in this process and on all nodes that share a bus. Protocol document, §6.

Theory of operation
-------------------
A :class:`Presence` is declared, and given to an endpoint. While the endpoint runs, three objects do the work. The
*owners* (:mod:`bennu.presence.owners`) know what tracks a presence on this node, and when it ends. The *tracker*
(:mod:`bennu.presence.tracker`) has the presences of all nodes, in a CRDT. The *diffs* (:mod:`bennu.presence.diffs`)
tell the clients of each topic. A change of this node goes from the owners through the tracker to the diffs of its
topic. A change of another node goes from the tracker to the diffs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from ..channel import Channel
from ..errors import DefinitionError, NotStarted
from ..server.server import Server
from ..user_code.options import COUNT, NUMBER, Option, options
from .blocking import BlockingPresence
from .crdt import Periods
from .diffs import Diffs, PresenceCount
from .hooks import Hooks, hook_of
from .modes import Full, Mode
from .names import key_of, meta_of
from .net_effect import Meta, Presences, copied, metas_by_key
from .owners import Owners, topic_at, topic_for, topic_of
from .tracker import Tracker

__all__ = ["Presence"]

Place = Channel[Any, Any] | str
"""A topic, or a channel in place of its topic."""


def _kind(kind: Any, expected: str, example: str) -> Option:
    return Option(expected, lambda value: isinstance(value, kind), example)


TIME: Final = Option(
    "seconds, from 0 to a day", lambda value: NUMBER.fits(value) and 0 <= value < 86400, "5"
)


@options(
    name=Option("a name", lambda value: isinstance(value, str) and value != "", '"rooms"'),
    window=TIME,
    mode=_kind(Mode, "Full(), Sample(size), Count() or BySize({...})", "Full()"),
    grace=TIME,
    shards=COUNT,
    max_keys=COUNT,
    periods=_kind(Periods, "the times of the replication", "Periods(broadcast=1.5, down=30)"),
)
class Presence:
    """Lists who is in each topic, as Phoenix's JavaScript client shows it.

    A presence knows the clients of its own process. It also knows the clients of other nodes, if a bus connects
    them (``Endpoint(pubsub=...)``).

    A *key* is a person, or another thing that can be present. A *meta* describes one device or tab of that person, and
    its status. A presence belongs to an *owner* and ends with it. An owner is a channel, a raw socket's handler, an
    ``asyncio.Task``, or any other hashable object, which has no end but ``untrack``.

    Args:
        name: The name on the bus. It must be the same on all nodes, and no other presence of the endpoint can have it.
        window: Seconds in which the changes of a topic are collected, before they are sent in one ``presence_diff``.
            After a quiet time the first change is sent at once. With many subscribers the window grows. 0 sends
            each change by itself, as Phoenix does.
        mode: How much of the list clients get: ``Full()``, ``Sample(size)``, ``Count()`` or ``BySize({...})``.
        grace: Seconds for which presences outlive their owner, so that the reload of a page is neither a leave nor
            a join.
        shards: The number of parts in which the topics are replicated; the same on all nodes.
        max_keys: The number of keys that one channel, or one raw socket's handler, can track at once. The limit
            exists because its client can choose the keys. Other owners can track any number.
        periods: The times of the replication.
        fetch: A function of topic and presences, instead of overriding :meth:`fetch`.
        handle_metas: A function of topic, diff and presences, instead of overriding :meth:`handle_metas`.
        joined: A function of topic, key and metas, instead of overriding :meth:`joined`.
        left: A function of topic, key and metas, instead of overriding :meth:`left`.

    Raises:
        DefinitionError: An option has a value that it can't have.

    Example:
        >>> presence = Presence(window=0.1, grace=5)
    """

    def __init__(
        self,
        name: str = "presence",
        *,
        window: float = 0.05,
        mode: Mode = Full(),  # noqa: B008 - it is frozen
        grace: float = 0.0,
        shards: int = 1,
        max_keys: int = 1000,
        periods: Periods = Periods(),  # noqa: B008 - it is frozen
        fetch: Callable[..., Any] | None = None,
        handle_metas: Callable[..., Any] | None = None,
        joined: Callable[..., Any] | None = None,
        left: Callable[..., Any] | None = None,
    ) -> None:
        given = {"fetch": fetch, "handle_metas": handle_metas, "joined": joined, "left": left}
        hooks = {name: hook_of(self, Presence, name, hook) for name, hook in given.items()}

        def begin(server: Server) -> Owners:
            tracker = Tracker(name, shards, periods, server)
            diffs = Diffs(name, server, tracker, window, mode, Hooks(name, server, **hooks))
            return Owners(tracker, diffs, grace, max_keys)

        self.name, self.mode, self._begin = name, mode, begin
        self._server: Server | None = None  # while its endpoint runs, as are the owners
        self._owners: Owners | None = None
        self._has_started = False

    @property
    def tracked(self) -> int:
        """How many presences the clients of this process have."""
        return 0 if self._owners is None else self._owners.tracker.tracked

    # Methods that a subclass can override.

    def fetch(self, topic: str, presences: Presences) -> Any:
        """Add data for clients to many presences in one call: names from a database, for example.

        ``fetch`` is called once for each ``list`` and ``get_by_key``, once for the joins of a diff and once for its
        leaves. The diffs of the topic wait for ``fetch``, up to 5 s. If ``fetch`` fails or takes longer, the diffs
        are sent without its data. Write ``async def``, or a plain ``def``, which runs in a thread.

        Args:
            topic: The topic.
            presences: ``{key: {"metas": [...]}}``.

        Returns:
            The same presences, with more fields beside ``"metas"``. Do not change the metas.
        """
        del topic
        return presences

    def handle_metas(
        self, topic: str, diff: dict[str, Presences], presences: dict[str, Any]
    ) -> Any:
        """React to a diff, after it was sent.

        The diffs of a topic come one after another. An exception is logged, and has no other effect.

        Args:
            topic: The topic.
            diff: ``{"joins": ..., "leaves": ...}``, as clients get it. In modes that send clients less, it is the
                whole diff, without the data that ``fetch`` adds.
            presences: Key to list of metas, after this diff. The next diff changes it: copy what you keep.
        """

    def joined(self, topic: str, key: str, metas: list[Meta]) -> Any:
        """React to a key that came, with its first metas."""

    def left(self, topic: str, key: str, metas: list[Meta]) -> Any:
        """React to a key that went, with its last metas."""

    # Methods to call.

    async def track(
        self, owner: Hashable, key: str | int, meta: Any = None, *, topic: str | None = None
    ) -> str:
        """Add a presence.

        Args:
            owner: The owner of the presence. The presence ends with its owner.
            key: The key, such as the id of a user. An integer is written as text. Names that every JavaScript object
                inherits (``"constructor"``, ``"__proto__"``) are refused: put a prefix before keys that people choose.
            meta: A JSON object: a dict, Struct, dataclass or model. It gets a ``phx_ref``.
            topic: The topic; None is a channel's own.

        Returns:
            The phx_ref.

        Raises:
            AlreadyTracked: The owner tracks this key in this topic already.
            KeyRefused: The key is not allowed, or has more than 1,024 bytes.
            MetaRefused: The meta has more than 65,536 bytes.
            TooManyKeys: The owner is a channel, or a raw socket's handler, and tracks ``max_keys`` already.
            EncodeError: The meta is no JSON object.
            NotJoined: The owner is a channel that has ended.

        Example:
            ``await presence.track(self, self.assigns.id, {"device": "phone"})``
        """
        owners = self._started("track", adds=True)
        return owners.track(owner, topic_for("track", owner, topic), key_of(key), meta_of(meta))

    async def update(
        self, owner: Hashable, key: str | int, meta: Any, *, topic: str | None = None
    ) -> str:
        """Replace the meta of a presence. Clients get the change in one diff.

        Args:
            owner: The owner of the presence.
            key: The key.
            meta: The new meta, or a function of the present meta (with its ``phx_ref``) that returns the new meta.
            topic: The topic; None is a channel's own.

        Returns:
            The new phx_ref. The meta has the old phx_ref as ``phx_ref_prev``.

        Raises:
            NotTracked: The owner does not track the key.
            MetaRefused: The meta has more than 65,536 bytes.
            EncodeError: The meta is no JSON object.
        """
        owners = self._started("update", adds=True)
        new: Any = meta if callable(meta) else meta_of(meta)
        return owners.update(owner, topic_for("update", owner, topic), {key_of(key): new})[0]

    async def update_many(
        self, owner: Hashable, metas: Mapping[Any, Any], *, topic: str | None = None
    ) -> dict[str, str]:
        """Replace the metas of several keys of one topic in one diff.

        Args:
            owner: The owner of the presences.
            metas: Key to new meta, or to a function as in :meth:`update`.
            topic: The topic; None is a channel's own.

        Returns:
            The new phx_refs by key.

        Raises:
            NotTracked: The owner does not track one of the keys. No meta is changed.
            EncodeError: A meta is no JSON object. No meta is changed.
        """
        owners = self._started("update_many", adds=True)
        given: dict[str, Any] = {
            key_of(key): meta if callable(meta) else meta_of(meta) for key, meta in metas.items()
        }
        refs = owners.update(owner, topic_for("update_many", owner, topic), given)
        return dict(zip(given, refs, strict=True))

    async def untrack(
        self, owner: Hashable, key: str | int | None = None, *, topic: str | None = None
    ) -> None:
        """Remove a presence. If the owner does not track the key, nothing happens.

        Args:
            owner: The owner of the presences.
            key: The key; None removes all keys.
            topic: The topic; None is a channel's own, and all topics for other owners.
        """
        if self._owners is None and self._has_started:
            return  # everything was untracked at the stop
        owners = self._started("untrack")
        place = topic_of(owner) if topic is None else topic
        owners.untrack(owner, place, None if key is None else key_of(key))

    @asynccontextmanager
    async def present(self, topic: str, key: str | int, meta: Any = None) -> AsyncGenerator[str]:
        """Track a presence while a block of code runs: for work in the background.

        Yields:
            The phx_ref.

        Example:
            ``async with presence.present("jobs", job.id, {"step": 1}):``
        """
        owner = object()
        ref = await self.track(owner, key, meta, topic=topic)
        try:
            yield ref
        finally:
            await self.untrack(owner)

    async def list(self, place: Place) -> Presences:
        """Return the presences of a topic, in this process and on nodes that share its bus.

        Args:
            place: A channel or a topic.

        Returns:
            ``{key: {"metas": [...], ...}}`` with what ``fetch`` adds.
        """
        owners = self._started("list")
        topic = topic_at(place)
        metas = metas_by_key((entry.key, entry.meta) for entry in owners.tracker.entries(topic))
        return copied(await owners.diffs.hooks.extend(topic, metas))

    async def get_by_key(self, place: Place, key: str | int) -> dict[str, Any] | None:
        """Return the presence of one key, or None if the topic does not have the key.

        Args:
            place: A channel or a topic.
            key: The key.

        Returns:
            ``{"metas": [...], ...}`` with what ``fetch`` adds.
        """
        owners = self._started("get_by_key")
        topic, name = topic_at(place), key_of(key)
        metas = metas_by_key((name, entry.meta) for entry in owners.tracker.entries(topic, name))
        return copied(await owners.diffs.hooks.extend(topic, metas)).get(name)

    async def count(self, place: Place) -> PresenceCount:
        """Return how many keys and metas a topic has, without listing them.

        Args:
            place: A channel or a topic.
        """
        return self._started("count").diffs.count(topic_at(place))

    async def push_state(self, channel: Channel[Any, Any]) -> None:
        """Push ``presence_state`` to a channel's client; in modes that count, ``presence_count`` too.

        The state is the list as of the last diff. If changes of the topic are not sent yet, the call waits for them.
        So the state includes what the channel itself has tracked. A channel that tracks nothing gets the list, and
        is not on it.

        Args:
            channel: The channel. Call ``push_state`` in its ``after_join``.

        Raises:
            NotJoined: The channel has not joined yet, or has ended.

        Example:
            ``await presence.push_state(self)``
        """
        owners = self._started("push_state")
        server = channel._server
        server.expect_joined("push_state")
        await owners.diffs.push_state(channel.topic, server.push)

    @property
    def sync(self) -> BlockingPresence:
        """The same methods for threads: every call blocks until it is done."""
        return BlockingPresence(self)

    # Methods for the endpoint.

    def start(self, server: Server) -> None:
        """Start with an endpoint.

        Raises:
            DefinitionError: Another endpoint that runs has this presence.
        """
        if self._server is not None:
            raise DefinitionError(
                f"Presence({self.name!r})",
                expected="one endpoint for each presence",
                got="a second endpoint that starts with it",
                write="a Presence for each endpoint",
            )
        self._owners = self._begin(server)
        self._server = server
        self._has_started = True

    def opened(self) -> None:
        """Begin to send diffs and to call hooks. The lifespan has begun, which hooks can need."""
        if self._owners is not None:
            self._owners.diffs.open()

    async def stop(self, server: Server) -> None:
        """Remove all presences, tell other nodes at once, and wait until the hooks are done."""
        owners = self._owners
        if owners is None or self._server is not server:
            return
        try:
            owners.close()
            owners.tracker.stop()
            owners.diffs.flush()
            await owners.diffs.hooks.stop()
            owners.diffs.abandon()
        finally:
            self._server = self._owners = None

    def abandon(self, server: Server) -> None:
        """Forget everything, because the event loop was closed without a stop, or belongs to the parent process."""
        if self._server is server:
            self._server = self._owners = None

    def loop_for_thread(self, method: str) -> asyncio.AbstractEventLoop:
        """Return the endpoint's event loop, for a thread that calls a method of this presence."""
        if self._server is None:
            raise self._not_started(method)
        return self._server.home.loop_for_thread("presence", method)

    def _started(self, method: str, *, adds: bool = False) -> Owners:
        """Return the owners while the endpoint runs. A method that adds something is refused while the endpoint stops."""
        if self._server is None or self._owners is None:
            raise self._not_started(method)
        self._server.home.expect("presence", method)
        if adds and self._owners.is_closed:
            raise NotStarted(f"presence.{method}(...) of {self.name!r}: its endpoint is stopping")
        return self._owners

    def _not_started(self, method: str) -> NotStarted:
        return NotStarted(
            f"presence.{method}(...) of {self.name!r} needs an endpoint that is started: write"
            " Endpoint(presence=presence), and await endpoint.start() where no server does it"
        )
