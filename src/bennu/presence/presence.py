"""Presence: who is here, in this process and on all nodes that share a bus. Protocol document, §6.

Theory of operation
-------------------
A :class:`Presence` is declared, and given to an endpoint. While that runs there is a ``Live`` behind it
(:mod:`bennu.presence.live`): the *tracker* (what is tracked here and elsewhere, as a CRDT), the *roll* (whose it
is here, and when it ends) and the *boards* (when the clients of a topic are told). A change goes from the roll through the tracker to the
board of its topic; what other nodes change comes out of the tracker and goes to the board.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct

from ..channel import Channel
from ..errors import DefinitionError, EncodeError, NotStarted
from ..user_code.callback import Callback
from ..user_code.options import options
from .blocking import BlockingPresence
from .crdt import Periods
from .hooks import Hooks, Host
from .live import Live
from .modes import Full, Mode
from .names import key_of, meta_of, plain_text
from .net_effect import Meta, State, state_of
from .options import Options
from .owners import topic_of

__all__ = ["Presence", "PresenceCount"]

HOOKS: Final = ("fetch", "handle_metas", "joined", "left")

Place = Channel[Any, Any] | str
"""Whose presences: a channel's topic, or a topic."""


class PresenceCount(Struct, frozen=True):
    """How many are present.

    Attributes:
        keys: How many keys.
        metas: How many metas they have in all.
    """

    keys: int
    metas: int


@options()
class Presence:
    """Who is here: presences by topic and key, as on the lists of stock clients.

    It knows the presences of its own process, and of other nodes if they share an ``Endpoint(bus=...)``. No bus
    comes with Bennu yet.

    A key is who (a user), a meta is what of theirs is here (a tab, a device) and how it does. A
    presence belongs to an *owner* and ends with it: a channel, a raw socket's handler, an
    ``asyncio.Task``, or any other hashable object, which has no end but ``untrack``.

    Args:
        name: What it is called on the bus; it must be the same on all nodes, and its own in its endpoint.
        window: Seconds in which changes of a topic gather before they leave as one ``presence_diff``.
            After a quiet time the first leaves at once; with many subscribers the window grows. 0 sends
            each change by itself, as Phoenix does.
        mode: What clients are told: ``Full()``, ``Sample(size)``, ``Count()`` or ``BySize({...})``.
        grace: Seconds for which presences outlive their owner, so that a page that is loaded again is no
            leave and join.
        max_keys: How many keys one channel, or one raw socket's handler, may track at once: it may track what its client
            sends. Other owners may track any number.
        shards: In how many parts the topics are replicated; the same on all nodes.
        periods: The times of the replication.
        fetch: Instead of overriding :meth:`fetch`: a function of topic and presences.
        handle_metas: Instead of overriding it: a function of topic, diff and presences.
        joined: Instead of overriding it: a function of topic, key and metas.
        left: Likewise.

    Raises:
        DefinitionError: One of these is nothing that it can be.

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
        given = dict(zip(HOOKS, (fetch, handle_metas, joined, left), strict=True))
        hooks = Hooks(**{hook: self._hook(hook, given[hook]) for hook in HOOKS})
        self._options = Options(name, window, mode, grace, shards, max_keys, periods, hooks)
        self._live: Live | None = None
        self._has_lived = False

    @property
    def name(self) -> str:
        """What it is called."""
        return self._options.name

    def _hook(self, name: str, given: Callable[..., Any] | None) -> Callback | None:
        """Return a hook, as argument or method, or None if the user has none."""
        if given is not None:
            if not callable(given):
                raise DefinitionError(
                    f"Presence({name}=...)",
                    expected="a function",
                    got=repr(given),
                    write=f"async def {name}(...), in a subclass or beside it",
                )
            return Callback(f"Presence({name}=...)", given)
        if getattr(type(self), name) is getattr(Presence, name):
            return None
        return Callback(f"{type(self).__qualname__}.{name}", getattr(self, name))

    # What a user overrides.

    def fetch(self, topic: str, presences: State) -> Any:
        """Add what clients shall see of each key, in one go: names from a database, for example.

        Called once for each ``list`` and ``get_by_key``, once for the joins of a diff and once for its
        leaves. The diffs of its topic wait for it, up to 5 s; if it fails or takes longer they go out
        without. ``async def``, or a plain ``def``, which runs in a thread.

        Args:
            topic: The topic.
            presences: ``{key: {"metas": [...]}}``.

        Returns:
            The same with more beside ``"metas"``, which stays as it is.
        """
        del topic
        return presences

    def handle_metas(self, topic: str, diff: dict[str, State], presences: dict[str, Any]) -> Any:
        """Take note of a diff, after it was sent.

        Diffs of a topic come one after another. An exception is logged, and changes nothing.

        Args:
            topic: The topic.
            diff: ``{"joins": ..., "leaves": ...}``, as clients get it; in modes that tell them less, the
                whole of it, without what ``fetch`` adds.
            presences: Key to list of metas, after this diff. It is changed by the next one: copy what
                you keep.
        """

    def joined(self, topic: str, key: str, metas: list[Meta]) -> Any:
        """Take note that a key came, with its first metas."""

    def left(self, topic: str, key: str, metas: list[Meta]) -> Any:
        """Take note that a key went, with its last metas."""

    # What it can do.

    async def track(
        self, owner: Hashable, key: str | int, meta: Any = None, *, topic: str | None = None
    ) -> str:
        """Say that somebody is here.

        Args:
            owner: The owner of the presence. The presence ends with its owner.
            key: The key, such as the id of a user. An integer is written as text. Names that every JavaScript object inherits
                (``"constructor"``, ``"__proto__"``) are refused: put a prefix before keys that users choose.
            meta: A JSON object: a dict, Struct, dataclass or model. It gets a ``phx_ref``.
            topic: The topic; None is a channel's own.

        Returns:
            The phx_ref.

        Raises:
            AlreadyTracked: The owner has this key in this topic.
            KeyRefused: It can't be a key, or has more than 1,024 bytes.
            MetaRefused: The meta has more than 65,536 bytes.
            TooManyKeys: The owner is a channel, or a raw socket's handler, and tracks ``max_keys`` already.
            EncodeError: The meta is no JSON object.
            NotJoined: The owner is a channel that has ended.

        Example:
            ``await presence.track(self, self.assigns.id, {"device": "phone"})``
        """
        live = self._open("track")
        return live.roll.track(owner, _topic("track", owner, topic), key_of(key), meta_of(meta))

    async def update(
        self, owner: Hashable, key: str | int, meta: Any, *, topic: str | None = None
    ) -> str:
        """Replace the meta of a presence; clients get it as one diff.

        Args:
            owner: The owner of the presence.
            key: The key.
            meta: The new meta; or a function that gets the present one, with its ``phx_ref``, and returns
                the new one.
            topic: The topic; None is a channel's own.

        Returns:
            The new phx_ref; the meta has the old one as ``phx_ref_prev``.

        Raises:
            NotTracked: The owner does not track it.
            MetaRefused: The meta has more than 65,536 bytes.
            EncodeError: The meta is no JSON object.
        """
        live = self._open("update")
        given: Any = meta if callable(meta) else meta_of(meta)
        place = _topic("update", owner, topic)
        return live.roll.update(owner, place, {key_of(key): given})[0]

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
            NotTracked: The owner does not track one of them; then nothing has changed.
            EncodeError: A meta is no JSON object; likewise.
        """
        live = self._open("update_many")
        given: dict[str, Any] = {
            key_of(key): meta if callable(meta) else meta_of(meta) for key, meta in metas.items()
        }
        refs = live.roll.update(owner, _topic("update_many", owner, topic), given)
        return dict(zip(given, refs, strict=True))

    async def untrack(
        self, owner: Hashable, key: str | int | None = None, *, topic: str | None = None
    ) -> None:
        """Say that somebody is here no more; nothing happens if they are not.

        Args:
            owner: The owner of the presences.
            key: The key; None is all.
            topic: The topic; None is a channel's own, and all topics for other owners.
        """
        if self._live is None and self._has_lived:
            return  # everything was untracked at the stop
        live = self._started("untrack")
        place = topic_of(owner) if topic is None else topic
        live.roll.untrack(owner, place, None if key is None else key_of(key))

    @asynccontextmanager
    async def present(self, topic: str, key: str | int, meta: Any = None) -> AsyncGenerator[str]:
        """Be here while a block of code runs: for work in the background.

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

    async def list(self, place: Place) -> State:
        """Return who is here: in this process, and on nodes that share its bus.

        Args:
            place: A channel or a topic.

        Returns:
            ``{key: {"metas": [...], ...}}`` with what ``fetch`` adds.
        """
        live = self._started("list")
        topic = _topic_at(place)
        metas = state_of((one.key, one.meta) for one in live.tracker.entries(topic))
        return await live.fetch(topic, metas)

    async def get_by_key(self, place: Place, key: str | int) -> dict[str, Any] | None:
        """Return one presence, or None if the key is not here.

        Args:
            place: A channel or a topic.
            key: The key.

        Returns:
            ``{"metas": [...], ...}`` with what ``fetch`` adds.
        """
        live = self._started("get_by_key")
        topic, name = _topic_at(place), key_of(key)
        metas = [one.meta for one in live.tracker.entries(topic, name)]
        if not metas:
            return None
        return (await live.fetch(topic, {name: metas}))[name]

    async def count(self, place: Place) -> PresenceCount:
        """Return how many are here, without listing them.

        Args:
            place: A channel or a topic.
        """
        return PresenceCount(*self._started("count").boards.count(_topic_at(place)))

    async def push_state(self, channel: Channel[Any, Any]) -> None:
        """Push ``presence_state`` to a channel's client; in modes that count, ``presence_count`` too.

        It is the state as of the last diff. If changes of the topic have not left yet, it waits for them:
        so what the channel itself has tracked is in it. A channel that tracks nothing sees without
        being seen.

        Args:
            channel: The channel; the place to do it is ``after_join``.

        Raises:
            NotJoined: The channel has not joined yet, or has ended.

        Example:
            ``await presence.push_state(self)``
        """
        live = self._started("push_state")
        runtime: Any = channel._server
        runtime.expect_joined("push_state")
        pushed = live.boards.greet(channel.topic, runtime)
        if pushed is not None:
            await pushed

    @property
    def sync(self) -> BlockingPresence:
        """The same for threads: every call waits."""
        return BlockingPresence(self)

    # What the endpoint does.

    def start(self, host: Host) -> None:
        """Begin: the endpoint starts.

        Raises:
            DefinitionError: Another endpoint has it.
        """
        if self._live is not None:
            raise DefinitionError(
                f"Presence({self.name!r})",
                expected="one endpoint that has it",
                got="a second one that starts",
                write="a Presence for each endpoint",
            )
        self._live = Live(self._options, host)
        self._has_lived = True

    def opened(self) -> None:
        """Tell clients and hooks from now on: the lifespan has begun, which hooks may need."""
        if self._live is not None:
            self._live.boards.open()

    async def stop(self, host: Host) -> None:
        """End: whoever is left goes, other nodes see it at once, and the hooks have been told."""
        live = self._live
        if live is not None and live.host is host:
            try:
                await live.stop()
            finally:
                self._live = None

    def abandon(self, host: Host) -> None:
        """Forget everything: the event loop was closed without a stop, or is the parent process's."""
        if self._live is not None and self._live.host is host:
            self._live = None

    def reach(self, method: str) -> asyncio.AbstractEventLoop:
        """Return the endpoint's event loop, for a thread that wants a method to be called there."""
        return self._found(method).host.pubsub.home.loop_for_thread("presence", method)

    def _open(self, method: str) -> Live:
        live = self._started(method)
        if live.is_ending:
            raise NotStarted(f"presence.{method}(...) of {self.name!r}: its endpoint stops")
        return live

    def _started(self, method: str) -> Live:
        live = self._found(method)
        live.host.pubsub.home.expect("presence", method)
        return live

    def _found(self, method: str) -> Live:
        if self._live is None:
            raise NotStarted(
                f"presence.{method}(...) of {self.name!r} needs an endpoint that is started: write"
                " Endpoint(presence=presence), and await endpoint.start() where no server does it"
            )
        return self._live


def _topic(method: str, owner: object, topic: str | None) -> str:
    """Return the topic that is meant."""
    found = topic_of(owner) if topic is None else topic
    if isinstance(found, str):
        if not found.isascii():
            _expect_utf8(found)
        return plain_text(found)
    if topic is None:
        raise TypeError(
            f"presence.{method}(...) needs a topic, since {type(owner).__name__} is no channel:"
            ' write topic="room:1"'
        )
    raise TypeError(f"a topic is text, got {topic!r}")


def _expect_utf8(topic: str) -> None:
    try:
        topic.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"a topic is text that UTF-8 can carry: {error}") from error


def _topic_at(place: object) -> str:
    found = place if isinstance(place, str) else topic_of(place)
    if found is None:
        raise TypeError(
            f'expected a channel or a topic, got {place!r}: write presence.list("room:1")'
        )
    return found
