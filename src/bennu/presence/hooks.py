"""Hooks: the user's functions that add data to presences, and that react to their changes.

Theory of operation
-------------------
A diff waits for ``fetch``. :mod:`bennu.presence.diffs` decides which diff waits. This module limits the time of
``fetch``, and logs its failure. The other hooks run after the diff was sent, one after another for each topic. They run
in a task that exists only while there is a diff for them (:class:`TopicHooks`). Only the stop of the endpoint waits for
them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

import msgspec

from ..errors import EncodeError
from ..protocol.encoding import encode_json
from ..server.server import Server
from ..user_code.callback import Callback
from .net_effect import METAS, REF, Meta, Metas, Presences, bare, copied

__all__ = ["FETCH_LIMIT", "Hooks", "TopicHooks", "hook_of"]


FETCH_LIMIT: Final = 5.0
"""Seconds for which the diffs of a topic wait for a ``fetch``."""

STOP_LIMIT: Final = 10.0
"""Seconds for which the stop of the endpoint waits for hooks, after everything else has ended."""


class Hooks:
    """The hooks of one presence while its endpoint runs. A hook that is None costs nothing.

    Args:
        name: The name of the presence.
        server: The server of the endpoint.
        fetch: Adds data to presences.
        handle_metas: Called with each diff.
        joined: Called with each key that came.
        left: Called with each key that went.

    Attributes:
        listens: Whether there is any hook besides ``fetch``.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        *,
        fetch: Callback | None = None,
        handle_metas: Callback | None = None,
        joined: Callback | None = None,
        left: Callback | None = None,
    ) -> None:
        self._name = name
        self._server = server
        self.log = server.log.child("presence")
        self._tasks: set[asyncio.Task[Any]] = set()
        self.fetch = fetch
        self.handle_metas = handle_metas
        self.joined = joined
        self.left = left
        self.listens = not (handle_metas is None and joined is None and left is None)

    async def extend(self, topic: str, metas: Metas) -> Presences:
        """Return metas with the data that ``fetch`` adds, or without it if ``fetch`` fails or takes too long.

        Keys that ``fetch`` invents are left out of the result. Metas that ``fetch`` changes are restored.
        """
        fetch = self.fetch
        if fetch is None or not metas:
            return bare(metas)
        try:
            async with asyncio.timeout(FETCH_LIMIT):
                found = await fetch.call(self._server, topic, copied(bare(metas)))
            extended: Presences = {}
            for key, of_key in metas.items():
                extended[key] = {**cast("Presences", found).get(key, {}), METAS: of_key}
            encode_json(extended)
        except TimeoutError:
            self.log.error(  # noqa: TRY400 - the traceback shows only where it waited
                "%s took over %gs for %r: the presences are sent without its data",
                fetch.name,
                FETCH_LIMIT,
                topic,
            )
        except EncodeError as error:
            self.log.error(  # noqa: TRY400 - the text of the error says enough
                "%s returned a value that can't be sent, for %r: %s", fetch.name, topic, error
            )
        except Exception:
            self.log.exception(
                "%s failed for %r: the presences are sent without its data", fetch.name, topic
            )
        else:
            return extended
        return bare(metas)

    async def call(self, hook: Callback, topic: str, *args: Any) -> None:
        """Call a hook of a topic, and log its failure."""
        try:
            await hook.call(self._server, topic, *args)
        except Exception:
            self.log.exception("%s failed for %r", hook.name, topic)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine in a task, without the context variables of any client. The stop of the endpoint waits for it."""
        server = self._server
        task = server.loop.create_task(coroutine, context=server.context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("Presence %s failed", self._name, exc_info=error)

    async def stop(self) -> None:
        """Wait for the hooks that run, for at most STOP_LIMIT seconds."""
        loop = self._server.loop
        deadline = loop.time() + STOP_LIMIT
        while self._tasks and (left := deadline - loop.time()) > 0:
            await asyncio.wait(tuple(self._tasks), timeout=left)
        for task in self._tasks:
            self.log.error(
                "A hook of %s did not end in %gs: it is cancelled", self._name, STOP_LIMIT
            )
            task.cancel()


class TopicHooks:
    """Calls the hooks of one topic, for one flush after another.

    Args:
        hooks: The hooks.
        topic: The topic.

    Attributes:
        task: The task that calls the hooks, while there is a flush for them.
    """

    __slots__ = ("_hooks", "_presences", "_queue", "_topic", "task")

    def __init__(self, hooks: Hooks, topic: str) -> None:
        self._hooks = hooks
        self._topic = topic
        self._queue: deque[tuple[Presences, Presences, Metas, Metas]] = deque()
        self._presences: Metas = {}  # as handle_metas gets them, after the last flush
        self.task: asyncio.Task[None] | None = None

    def tell(
        self, joins: Presences, leaves: Presences, came: Metas, went: Metas
    ) -> asyncio.Task[None] | None:
        """Queue the changes of one flush.

        Args:
            joins: The joins, as in the diff.
            leaves: The leaves, as in the diff.
            came: The metas of each key whose first meta came.
            went: The metas of each key whose last meta went.

        Returns:
            The task that calls the hooks, if it is new; else None.
        """
        self._queue.append((joins, leaves, came, went))
        if self.task is not None:
            return None
        self.task = self._hooks.spawn(self._run())
        return self.task

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._tell(*self._queue.popleft())
        finally:
            self.task = None

    async def _tell(self, joins: Presences, leaves: Presences, came: Metas, went: Metas) -> None:
        hooks, topic = self._hooks, self._topic
        if hooks.handle_metas is not None:
            self._merge(joins, leaves)
            diff = {"joins": copied(joins), "leaves": copied(leaves)}
            await hooks.call(hooks.handle_metas, topic, diff, self._presences)
        if hooks.joined is not None:
            for key, metas in came.items():
                await hooks.call(hooks.joined, topic, key, msgspec.to_builtins(metas))
        if hooks.left is not None:
            for key, metas in went.items():
                await hooks.call(hooks.left, topic, key, msgspec.to_builtins(metas))

    def _merge(self, joins: Presences, leaves: Presences) -> None:
        """Apply a diff to the presences: append the new metas of the joins, then remove the leaves."""
        presences = self._presences
        for key, value in joins.items():
            metas = presences.setdefault(key, [])
            refs = {meta[REF] for meta in metas}
            new = [meta for meta in value[METAS] if meta[REF] not in refs]
            metas.extend(msgspec.to_builtins(new))
        for key, value in leaves.items():
            gone = {meta[REF] for meta in value[METAS]}
            left: list[Meta] = [meta for meta in presences.get(key, ()) if meta[REF] not in gone]
            if left:
                presences[key] = left
            else:
                presences.pop(key, None)


def hook_of(
    presence: object, base: type, name: str, given: Callable[..., Any] | None
) -> Callback | None:
    """Return a hook of a presence: an argument, or a method that a subclass overrides. None means that there is no hook.

    Args:
        presence: The presence.
        base: The class whose own methods are no hooks.
        name: The name of the hook.
        given: The argument.

    Raises:
        DefinitionError: The argument is no function.
    """
    if given is not None:
        write = f"async def {name}(...), in a subclass or beside it"
        return Callback.optional(f"Presence({name}=...)", given, write=write)
    if getattr(type(presence), name) is getattr(base, name):
        return None
    return Callback(f"{type(presence).__qualname__}.{name}", getattr(presence, name))
