"""Reads the address of a store in Redis, and names its keys and channels.

The address is that of a bus in Redis (:mod:`bennu.bus.redis.options`), with one more parameter:

==============  ====================================================================================================
parameter       what it says
==============  ====================================================================================================
``prefix``      what all keys and channels begin with; default ``bennu``. Applications that share a server have
                different prefixes
``on_restart``  ``epoch``: after a restart or failover of the server all logs begin a new epoch, because the newest
                entries can be lost. This is the default. ``trust``: no entry is ever lost, so logs go on. Choose it
                only for one server with ``appendfsync always``
==============  ====================================================================================================

A name has the topic in braces, ``bennu:0:{t:room:1}:m``, so all names of a topic have one slot in a cluster. The number is that
of the database: databases have keys of their own, but share all channels. The ``t:`` keeps the braces from being empty:
Redis would hash the whole name then.
"""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ...bus.address import without_password
from ...bus.broker.settings import MAX_PREFIX, Channels
from ...bus.redis.options import RedisAddress, read_address
from ...bus.topics import key_of
from ...errors import DefinitionError

__all__ = ["StoreNames", "of_store", "read_store_address"]

CHOICES: Final = ("epoch", "trust")


class StoreNames(Channels):
    """The names of keys and channels.

    Args:
        prefix: What all names begin with.
        db: The number of the database.

    Attributes:
        beat: A channel that no other object has.
    """

    __slots__ = ("_start", "beat")

    def __init__(self, prefix: str, db: int) -> None:
        super().__init__(prefix)
        self._start = f"{prefix}:{db}:{{"
        self.beat = f"{prefix}:{db}:beat:{secrets.token_hex(8)}"

    def of_topic(self, topic: str) -> str:
        """Return the channel of a topic."""
        return f"{self._start}t:{topic}}}"

    def keys(self, topic: str) -> list[str]:
        """Return the keys of a log: record, log, ids, older ids.

        Raises:
            EncodeError: The topic is too long, or has no UTF-8 form.
        """
        key_of(topic)
        start = self.of_topic(topic)
        return [f"{start}:m", f"{start}:l", f"{start}:i", f"{start}:o"]

    def of_key(self, key: str) -> str:
        """Return the key of an idempotent push."""
        return f"{self._start}k:{key}}}"


def read_store_address(address: str) -> tuple[RedisAddress, bool]:
    """Read the address of a store.

    Returns:
        The address, and whether the data of a restarted server is trusted.

    Raises:
        DefinitionError: The address can't be used. Its text shows no secret.

    Example:
        >>> read_store_address("redis://cache?prefix=chat&on_restart=trust")[1]
        True
    """
    start, _, query = address.partition("?")
    rest, on_restart = address, CHOICES[0]
    if "on_restart" in query and "@" not in query:  # else the ? is a part of the password
        pairs = parse_qsl(query, keep_blank_values=True)
        on_restart = dict(pairs).get("on_restart", on_restart)
        rest = f"{start}?{urlencode([pair for pair in pairs if pair[0] != 'on_restart'])}"
    try:
        read = read_address(rest)
    except DefinitionError as error:
        raise of_store(error) from None
    problem = None
    if on_restart not in CHOICES:
        problem = f"on_restart={' or '.join(CHOICES)}", on_restart
    elif not 1 <= len(read.prefix.encode(errors="replace")) <= MAX_PREFIX or set(read.prefix) & set(
        "{}"
    ):
        problem = f"a prefix of 1 to {MAX_PREFIX} bytes without braces", repr(read.prefix)
    elif read.kind == "redis" and len(read.places) > 1:
        problem = "one server, Sentinels or a cluster", f"{len(read.places)} independent servers"
    if problem is not None:
        raise DefinitionError(
            f"the store {without_password(address)}",
            expected=problem[0],
            got=problem[1],
            write='store="redis://user:password@cache:6379?prefix=chat"',
        )
    return read, on_restart == "trust"


def of_store(error: DefinitionError) -> DefinitionError:
    """Return an error about a bus as one about a store at the same address."""
    return DefinitionError(
        error.subject.replace("the bus ", "the store ", 1),
        expected=error.expected,
        got=error.got,
        write=error.write.replace("pubsub=", "store=", 1),
    )
