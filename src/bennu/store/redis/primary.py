"""A primary of Redis: runs scripts there, and knows the lineage of its data.

Theory of operation
-------------------
Commands are sent without waiting for the answers of those before, on one connection
(:class:`~bennu.bus.redis.connection.RedisConnection`). A call that is cancelled leaves its place in the queue of answers, so
no reply gets to another call. redis-py's client was measured at four times the CPU: it takes a connection of a pool for each
command, and reads the answer of one command at a time.

The **lineage** is the ``run_id`` of the server and its ``master_replid``. The first one changes when the process starts: the
newest entries can be lost then, unless each write is synced. The second one changes when a replica becomes the primary: it can
have lagged. Both are needed: after a failover and a failover back the first process is the primary again, with the data of
the second one. The server is asked at each connect and every second. If its lineage changes, the connection ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from hiredis import ReplyError

from ...bus.redis.connection import RedisConnection
from ...bus.redis.options import RedisOptions
from ...bus.redis.refusals import refusal
from ...errors import DefinitionError
from ...logs.log import Log
from .scripts import RedisScript

__all__ = ["RedisPrimary", "meet", "warn"]

ASK_EVERY: Final = 1.0
"""Seconds between two questions to a server: who it is, and whether it answers."""

OLDEST: Final = 7
"""The oldest version of Redis that can be used."""


class RedisPrimary:
    """A connection to a primary. :func:`meet` makes one.

    Args:
        connection: The connection.
        lineage: The lineage of the data; empty text if it does not matter.
        facts: What the server has said about itself.

    Attributes:
        connection: The connection.
        lineage: The lineage of the data; empty text if it does not matter.
        facts: What the server has said about itself.
    """

    __slots__ = ("connection", "facts", "lineage")

    def __init__(self, connection: RedisConnection, lineage: str, facts: dict[str, str]) -> None:
        self.connection = connection
        self.lineage = lineage
        self.facts = facts

    @property
    def is_open(self) -> bool:
        """Whether the connection has not ended."""
        return not self.connection.ended.is_set() and bool(self.connection.fds)

    async def run(
        self,
        script: RedisScript,
        keys: Sequence[str],
        arguments: Sequence[str | bytes],
        *,
        is_asking: bool = False,
    ) -> Any:
        """Run a script, whose first argument is the lineage.

        Args:
            script: The script.
            keys: Its keys.
            arguments: Its other arguments.
            is_asking: Whether the server does not have the slot yet, and another one sends callers here.

        Raises:
            ReplyError: The server refuses.
            OSError: The connection has ended. The outcome is unknown.
        """
        rest = (str(len(keys)), *keys, self.lineage, *arguments)
        try:
            return await self._command(is_asking, "EVALSHA", script.digest, *rest)
        except ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await self._command(is_asking, "EVAL", script.text, *rest)

    def _command(self, is_asking: bool, *arguments: str | bytes) -> asyncio.Future[Any]:
        if is_asking:
            self.connection.command("ASKING").add_done_callback(_ignore)
        return self.connection.command(*arguments)

    async def watch(self, options: RedisOptions) -> None:
        """End the connection when the server does not answer, or is another one."""
        with suppress(OSError, ReplyError):
            while True:
                await asyncio.sleep(ASK_EVERY)
                try:
                    async with asyncio.timeout(options.timeout):
                        facts = await _ask(self.connection, "server", "replication")
                except TimeoutError:
                    text = f"{self.connection.place} did not answer for {options.timeout:g} s"
                    self.connection.fail(ConnectionError(text))
                    return
                if _lineage_of(facts) != _lineage_of(self.facts):
                    text = f"{self.connection.place} was restarted, or has changed its role"
                    self.connection.fail(ConnectionError(text))


async def meet(connection: RedisConnection, options: RedisOptions, *, trusts: bool) -> RedisPrimary:
    """Ask a server who it is.

    Raises:
        DefinitionError: It is too old, or does not say.
        OSError: It does not answer, or the connection has ended.
    """
    version = bytes(connection.facts.get(b"version", b"?")).decode(errors="replace")
    if not version.partition(".")[0].isdecimal() or int(version.partition(".")[0]) < OLDEST:
        raise DefinitionError(
            f"the store {options.name}",
            expected=f"Redis {OLDEST} or newer, or Valkey",
            got=f"version {version} at {connection.place}",
            write='store="redis://cache:6379"',
        )
    try:
        async with asyncio.timeout(options.timeout):
            facts = await _ask(connection, "server", "replication", "memory", "persistence")
    except ReplyError as error:
        raise refusal(connection.place, options, "INFO", str(error)) from None
    except TimeoutError:
        text = f"{connection.place} did not answer within {options.timeout:g} s"
        raise ConnectionError(text) from None
    return RedisPrimary(connection, "" if trusts else _lineage_of(facts), facts)


def warn(primary: RedisPrimary, log: Log, *, trusts: bool) -> None:
    """Log which settings of a server can lose entries."""
    policy = primary.facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        log.warning(
            "Redis at %s deletes histories when its memory is full (maxmemory-policy %s): clients then load their"
            " state again. Set maxmemory-policy noeviction",
            str(primary.connection.place),
            policy,
        )
    if trusts and primary.facts.get("aof_enabled") != "1":
        log.warning(
            "Redis at %s loses entries at a restart, and on_restart=trust keeps Bennu from noticing it: clients miss"
            " them in silence. Set appendonly yes and appendfsync always, or remove on_restart=trust",
            str(primary.connection.place),
        )


async def _ask(connection: RedisConnection, *sections: str) -> dict[str, str]:
    """Return the fields of some sections of INFO."""
    answer: Any = await connection.command("INFO", *sections)
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _lineage_of(facts: dict[str, str]) -> str:
    return f"{facts.get('run_id', '')[:20]}-{facts.get('master_replid', '')[:20]}"


def _ignore(asked: asyncio.Future[Any]) -> None:
    """Take the answer to ASKING. If the server refuses it, it refuses the command after it too."""
    if not asked.cancelled():
        asked.exception()
