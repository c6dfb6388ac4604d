"""What an application may add to presence: data of its own, and what it does when somebody comes or goes.

Theory of operation
-------------------
``fetch`` stands in the way of a diff: who waits for it, and for how long, is the board's business
(:mod:`bennu.presence.board`); here it only gets its limit, and its failure is survived. The other hooks run
after the diff has left, one after another for a topic, in a task that exists only while there is something
to tell (:class:`Listeners`). Nothing waits for them but the stop of the endpoint.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from ..errors import EncodeError
from ..protocol.encoding import encode_json
from ..pubsub import PubSub
from ..telemetry import Telemetry
from ..user_code.callback import Callback
from .net_effect import METAS, REF, Meta, Metas, State, copied, copy_of

__all__ = ["FETCH_LIMIT", "Hooks", "Host", "Listeners", "News", "Spawn", "bare", "fetched"]


FETCH_LIMIT: Final = 5.0
"""Seconds that a fetch may hold up the diffs of its topic."""


class Host(Protocol):
    """What presence needs of the endpoint that it runs in."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The endpoint's event loop."""
        ...

    @property
    def context(self) -> Context:
        """The context that it was started in: hooks see no client's context variables."""
        ...

    @property
    def pubsub(self) -> PubSub:
        """Its PubSub."""
        ...

    @property
    def telemetry(self) -> Telemetry:
        """Its telemetry."""
        ...

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run a plain function in a worker thread."""
        ...


Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""How presence runs a coroutine whose end the stop of the endpoint waits for."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Those that the user has; None costs nothing."""

    fetch: Callback | None = None
    handle_metas: Callback | None = None
    joined: Callback | None = None
    left: Callback | None = None

    @property
    def listen(self) -> bool:
        """Whether any of them is told of what has happened."""
        return not (self.handle_metas is None and self.joined is None and self.left is None)


def bare(metas: Metas) -> State:
    """Return metas in the shape of a state, without anything added to them."""
    return {key: {METAS: of_key} for key, of_key in metas.items()}


async def fetched(hook: Callback, host: Host, topic: str, metas: Metas) -> State:
    """Return metas with what ``fetch`` adds; without, if it fails or takes too long.

    What it returns for keys that were not asked for is passed over, and the metas stay as they were.
    """
    if not metas:
        return {}
    log = host.telemetry.log.child("presence")
    try:
        async with asyncio.timeout(FETCH_LIMIT):
            found = await hook.ask(host, topic, copied(bare(metas)))
        extended: State = {}
        for key, of_key in metas.items():
            extended[key] = {**cast("State", found).get(key, {}), METAS: of_key}
        encode_json(extended)
    except TimeoutError:
        log.error(  # noqa: TRY400 - where it waited says nothing
            "%s took over %gs for %r: its presences go out without it",
            hook.name,
            FETCH_LIMIT,
            topic,
        )
    except EncodeError as error:
        log.error(  # noqa: TRY400 - the text says it
            "%s returned what can't be sent, for %r: %s", hook.name, topic, error
        )
    except Exception:
        log.exception("%s failed for %r: its presences go out without it", hook.name, topic)
    else:
        return extended
    return bare(metas)


@dataclass(slots=True)
class News:
    """What the listeners of a topic are told of one flush.

    Attributes:
        joins: As in the diff.
        leaves: As in the diff.
        came: Keys whose first meta came, and what came.
        went: Keys whose last meta went, and what went.
    """

    joins: State
    leaves: State
    came: list[tuple[str, list[Meta]]]
    went: list[tuple[str, list[Meta]]]


class Listeners:
    """The hooks of one topic, told one after another.

    Attributes:
        presences: Key to metas, as handle_metas gets it: what it was told of so far.
        task: What tells them, if there is something to tell.
    """

    __slots__ = ("_hooks", "_host", "_news", "_spawn", "log", "presences", "task", "topic")

    def __init__(self, hooks: Hooks, host: Host, topic: str, spawn: Spawn) -> None:
        self._hooks = hooks
        self._host = host
        self.log = host.telemetry.log.child("presence")
        self._spawn = spawn
        self._news: deque[News] = deque()
        self.topic = topic
        self.presences: Metas = {}
        self.task: asyncio.Task[None] | None = None

    def tell(self, news: News) -> asyncio.Task[None] | None:
        """Queue some news; return the task that tells it, if that had to be made."""
        self._news.append(news)
        if self.task is not None:
            return None
        self.task = self._spawn(self._run())
        return self.task

    async def _run(self) -> None:
        try:
            while self._news:
                await self._tell(self._news.popleft())
        finally:
            self.task = None

    async def _tell(self, news: News) -> None:
        hooks, topic = self._hooks, self.topic
        if hooks.handle_metas is not None:
            self._merge(news)
            diff = {"joins": copied(news.joins), "leaves": copied(news.leaves)}
            await self._call(hooks.handle_metas, topic, diff, self.presences)
        if hooks.joined is not None:
            for key, metas in news.came:
                await self._call(hooks.joined, topic, key, list(map(copy_of, metas)))
        if hooks.left is not None:
            for key, metas in news.went:
                await self._call(hooks.left, topic, key, list(map(copy_of, metas)))

    async def _call(self, hook: Callback, *args: Any) -> None:
        try:
            await hook.ask(self._host, *args)
        except Exception:
            self.log.exception("%s failed for %r", hook.name, self.topic)

    def _merge(self, news: News) -> None:
        """Follow a diff: joins first, appended if they are new; then leaves."""
        presences = self.presences
        for key, value in news.joins.items():
            metas = presences.setdefault(key, [])
            refs = {meta[REF] for meta in metas}
            metas.extend(copy_of(meta) for meta in value[METAS] if meta[REF] not in refs)
        for key, value in news.leaves.items():
            gone = {meta[REF] for meta in value[METAS]}
            left: list[Meta] = [meta for meta in presences.get(key, ()) if meta[REF] not in gone]
            if left:
                presences[key] = left
            else:
                presences.pop(key, None)
