"""Runs the handler of an idempotent push once for each key, on all nodes that share a store.

Theory of operation
-------------------
The first push with a key *claims* the key in the store, runs the handler, and *settles* the key with the reply. A
repeat finds the key settled, and gets the reply. A repeat that comes while the first push still runs asks again and
again, for at most ``WAIT`` seconds.

A claim is a *lease*: it expires after ``LEASE`` seconds, and is renewed while the handler runs. So if the node dies, a
repeat runs the handler again. A handler that raised releases the key at once. A plain function that was cancelled goes
on in its thread, so its key is not released: it expires.

The reply is sent when the store has it, or after ``STORE_TIMEOUT`` seconds. A store that is down at that moment gets
the reply later, within ``LEASE`` seconds.

All tasks that outlive a call are in ``_tasks``, so that :meth:`Once.stop` can end them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum, auto
from typing import Any, Final

from ..errors import DecodeError, EncodeError, StoreUnavailable
from ..store.store import Claim, ClaimState, Store
from .guard import STORE_TIMEOUT
from .kept_reply import KeptReply

__all__ = ["LEASE", "WAIT", "NotRun", "Once"]

LEASE: Final = 30.0
"""Seconds after which the key of a node that died is free."""
RENEW_AFTER: Final = LEASE / 3
WAIT: Final = 8.0
"""Seconds for which a repeat waits for the first push: clients wait 10 s for a reply."""
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5

_DOWN: Final = (StoreUnavailable, TimeoutError)


class NotRun(Enum):
    """Why a push was neither handled nor answered with a kept reply."""

    RUNNING = auto()
    """The first push with the key still runs."""
    REUSED = auto()
    """The key was used with another payload."""
    UNAVAILABLE = auto()
    """The store has not answered."""


class Once:
    """Runs calls once for each key.

    Args:
        store: Keeps the keys.
        warn: Writes a warning into the log; takes a format and its values.
        too_large: What is kept instead of a reply that is too large for the store.
    """

    __slots__ = ("_store", "_tasks", "_too_large", "_warn")

    def __init__(
        self, store: Store, warn: Callable[..., object], too_large: Callable[[KeptReply], KeptReply]
    ) -> None:
        self._store = store
        self._warn = warn
        self._too_large = too_large
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self,
        key: str,
        digest: bytes,
        ttl: float,
        call: Callable[[], Awaitable[KeptReply]],
        *,
        survives: bool,
    ) -> KeptReply | NotRun:
        """Make a call, unless its key was used. Return its reply, or the reply of the first call with the key.

        Args:
            key: The key in the store.
            digest: The digest of the payload.
            ttl: Seconds for which the reply is kept.
            call: Runs the handler. What it raises is raised here, and releases the key.
            survives: Whether the handler goes on after a cancellation, because it runs in a thread.
        """
        owner = secrets.token_hex(8)
        claim = await self._claim(key, owner)
        if isinstance(claim, NotRun):
            return claim
        if claim.state is ClaimState.NEW:
            return await self._run(key, owner, ttl, call, survives=survives)
        try:
            reply = KeptReply.unpack(claim.value)
        except DecodeError as error:
            self._warn("The store has a reply of another version of Bennu: %s", error)
            return NotRun.UNAVAILABLE
        return reply if reply.digest == digest else NotRun.REUSED

    async def stop(self) -> None:
        """End what outlives the calls."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def forget(self) -> None:
        """Forget what outlives the calls, because its event loop was closed."""
        self._tasks.clear()

    async def _claim(self, key: str, owner: str) -> Claim | NotRun:
        """Claim a key. While another call has it, try again."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + WAIT, _FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(STORE_TIMEOUT):
                    claim = await self._store.claim(key, owner, LEASE)
            except BaseException as error:
                self._start(self._release, key, owner, None)  # perhaps the store has made the claim
                if isinstance(error, _DOWN):
                    return NotRun.UNAVAILABLE
                raise
            if claim.state is not ClaimState.RUNNING:
                return claim
            if loop.time() >= deadline:
                return NotRun.RUNNING
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _run(
        self,
        key: str,
        owner: str,
        ttl: float,
        call: Callable[[], Awaitable[KeptReply]],
        *,
        survives: bool,
    ) -> KeptReply:
        lease = _Lease(self, key, owner)
        try:
            reply = await call()
        except BaseException as error:
            if not survives or isinstance(error, Exception):
                self._start(self._release, key, owner, lease.renewing)
            raise
        finally:
            lease.end()
        settling = self._start(self._settle, key, owner, reply, ttl)
        if settling is not None:
            await asyncio.wait((settling,), timeout=STORE_TIMEOUT)
        return reply

    async def _settle(self, key: str, owner: str, reply: KeptReply, ttl: float) -> None:
        """Give the store the reply, and try again for a while."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + LEASE, _FIRST_PAUSE
        small = self._too_large(reply)
        while True:
            try:
                async with asyncio.timeout(STORE_TIMEOUT):
                    if await self._store.settle(key, owner, reply.pack(), ttl):
                        return
                    claim = await self._store.claim(key, owner, LEASE)
                if claim.state is not ClaimState.NEW:
                    if claim.value != reply.pack():  # else the answer to an earlier try was lost
                        self._warn(
                            "A push was handled twice: the store was away for over %g s, and a repeat has run",
                            LEASE,
                        )
                    return
            except EncodeError as error:
                if reply is small:
                    raise
                self._warn("A reply can't be kept, so repeats of its push get an error: %s", error)
                reply = small
            except _DOWN:
                if loop.time() >= deadline:
                    self._warn(
                        "A reply could not be kept, because the store was away for %g s:"
                        " a repeat of the push is handled again",
                        LEASE,
                    )
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _release(self, key: str, owner: str, renewing: asyncio.Task[None] | None) -> None:
        """Free a key. A renewal that is under way comes first: after the release it would claim the key again."""
        if renewing is not None:
            await asyncio.wait((renewing,))
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                await self._store.release(key, owner)
        except _DOWN:
            pass  # the claim expires

    async def _renew(self, key: str, owner: str) -> None:
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                await self._store.claim(key, owner, LEASE)
        except _DOWN:
            pass  # the next renewal may come in time

    def start_renewal(self, key: str, owner: str) -> asyncio.Task[None] | None:
        """Renew a claim, in a task."""
        return self._start(self._renew, key, owner)

    def _start(
        self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any
    ) -> asyncio.Task[None] | None:
        """Run a method in a task; return None if no event loop runs, because the coroutine was closed at its end."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        task = loop.create_task(function(*args))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._warn("The store failed: %r", error)


class _Lease:
    """Renews a claim again and again, until its call is over.

    Attributes:
        renewing: The last renewal.
    """

    __slots__ = ("_key", "_once", "_owner", "_timer", "renewing")

    def __init__(self, once: Once, key: str, owner: str) -> None:
        self._once = once
        self._key = key
        self._owner = owner
        self.renewing: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(RENEW_AFTER, self._renew)

    def end(self) -> None:
        self._timer.cancel()

    def _renew(self) -> None:
        self.renewing = self._once.start_renewal(self._key, self._owner)
        self._timer = asyncio.get_running_loop().call_later(RENEW_AFTER, self._renew)
