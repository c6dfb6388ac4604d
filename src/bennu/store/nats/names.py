"""Reads the address of a store in JetStream, and names its streams and subjects.

The address is that of a bus in NATS (:mod:`bennu.bus.nats.address`), with three more parameters:

==============  ====================================================================================================
parameter       what it says
==============  ====================================================================================================
``prefix``      what all subjects begin with; default ``bennu``. Applications that share servers have different prefixes
``size``        the most entries that a topic can keep, from 1 to 100,000; default 1,000. It is used when the stream is
                made. A history with a smaller size is trimmed when it is read
``replicas``    how many servers keep the stream: 1 (default), 3 or 5. It is used when the stream is made
``on_restart``  ``epoch``: after a restart of a server that keeps the only replica, all logs begin a new epoch, because the
                newest entries can be lost. This is the default. ``trust``: no entry is ever lost, so logs go on. Choose it
                for a server with ``sync_interval: always``
==============  ====================================================================================================

The subjects, with the prefix ``bennu`` and the token of a topic or key (:mod:`bennu.bus.nats.subjects`):

================  ==================================================================================================
subject           what is under it
================  ==================================================================================================
``bennu.s.l.T``   the entries of a topic
``bennu.s.e.T``   the marker that begins an epoch of a topic
``bennu.n.T``     the announcements of a topic
``bennu.k.T``     a key of an idempotent push
================  ==================================================================================================
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ...bus.broker.settings import Channels
from ...bus.nats.address import NATSAddress
from ...bus.nats.subjects import subject
from ...bus.topics import key_of
from ...errors import DefinitionError

__all__ = ["JetStreamNames", "JetStreamOptions", "of_store", "read_options"]

DEFAULTS: Final = {"size": "1000", "replicas": "1", "on_restart": "epoch"}


@dataclasses.dataclass(frozen=True, slots=True)
class JetStreamOptions:
    """What an address says.

    Attributes:
        address: The servers, and who this client is.
        size: The most entries of a topic.
        replicas: How many servers keep a stream.
        trusts: Whether the data of a restarted server is trusted.
    """

    address: NATSAddress
    size: int
    replicas: int
    trusts: bool


class JetStreamNames(Channels):
    """The names of streams and subjects.

    Args:
        prefix: The first tokens of all subjects.

    Attributes:
        logs: The stream of the logs.
        keys: The stream of the keys.
        announced: The first tokens of announcements.
        beat: A channel that no other object has.
    """

    __slots__ = ("_prefix", "announced", "beat", "keys", "logs")

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self._prefix = prefix
        name = prefix.replace(".", "-")
        self.logs, self.keys = f"{name}-logs", f"{name}-keys"
        self.announced = f"{prefix}.n"
        self.beat = f"beat {secrets.token_hex(8)}"

    def of_topic(self, topic: str) -> str:
        """Return the channel of a topic."""
        return topic

    def log(self, topic: str) -> str:
        """Return the subject of entries.

        Raises:
            EncodeError: The topic is too long, or has no UTF-8 form.
        """
        key_of(topic)
        return subject(f"{self._prefix}.s.l", topic).decode()

    def marker(self, topic: str) -> str:
        """Return the subject of the marker of an epoch."""
        return subject(f"{self._prefix}.s.e", topic).decode()

    def key(self, key: str) -> str:
        """Return the subject of a key."""
        return subject(f"{self._prefix}.k", key).decode()

    def stream_of_logs(self, size: int, replicas: int) -> dict[str, object]:
        """Return the configuration of the stream of the logs."""
        return {
            "name": self.logs,
            "subjects": [f"{self._prefix}.s.>"],
            "storage": "file",
            "num_replicas": replicas,
            "discard": "old",
            "max_msgs_per_subject": size,
            "duplicate_window": 120_000_000_000,
            "allow_atomic": True,
            "allow_direct": True,
            "allow_rollup_hdrs": True,
            "republish": {
                "src": f"{self._prefix}.s.l.*",
                "dest": f"{self.announced}.{{{{wildcard(1)}}}}",
            },
        }

    def stream_of_keys(self, replicas: int) -> dict[str, object]:
        """Return the configuration of the stream of the keys."""
        return {
            "name": self.keys,
            "subjects": [f"{self._prefix}.k.*"],
            "storage": "file",
            "num_replicas": replicas,
            "discard": "old",
            "max_msgs_per_subject": 1,
            "allow_msg_ttl": True,
        }


def read_options(address: str) -> JetStreamOptions:
    """Read the address of a store.

    Raises:
        DefinitionError: The address can't be used. Its text shows no secret.

    Example:
        >>> read_options("nats://one?size=50&prefix=chat").size
        50
    """
    start, mark, query = address.partition("?")
    own = dict(DEFAULTS)
    if mark and "@" not in query:  # else the ? is a part of the password
        pairs = parse_qsl(query, keep_blank_values=True)
        own |= {name: value for name, value in pairs if name in own}
        rest = urlencode([pair for pair in pairs if pair[0] not in own])
        address = f"{start}?{rest}" if rest else start
    try:
        read = NATSAddress.parse(address)
    except DefinitionError as error:
        raise of_store(error) from None
    size = int(own["size"]) if own["size"].isascii() and own["size"].isdigit() else 0
    problem = None
    if not 1 <= size <= 100_000:
        problem = "size= from 1 to 100000", own["size"]
    elif own["replicas"] not in ("1", "3", "5"):
        problem = "replicas= of 1, 3 or 5", own["replicas"]
    elif own["on_restart"] not in ("epoch", "trust"):
        problem = "on_restart=epoch or trust", own["on_restart"]
    if problem is not None:
        raise DefinitionError(
            f"the store {read.shown}",
            expected=problem[0],
            got=problem[1],
            write='store="nats://user:password@one:4222?size=1000&replicas=3"',
        )
    return JetStreamOptions(read, size, int(own["replicas"]), own["on_restart"] == "trust")


def of_store(error: DefinitionError) -> DefinitionError:
    """Return an error about a bus as one about a store at the same address."""
    return DefinitionError(
        error.subject.replace("the bus", "the store", 1),
        expected=error.expected,
        got=error.got,
        write=error.write.replace("pubsub=", "store=", 1),
    )
