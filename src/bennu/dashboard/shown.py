"""What the inspector's page gets of a record. Pure.

A record is sent as JSON. Bytes in it are base64, and ``binary`` says so. A record that is too large is sent without its payload,
so that a page gets messages of bounded size.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ..inspect.records import BroadcastSeen, FrameSeen, SeenRecord

__all__ = ["MAX_RECORD", "FollowRequest", "ShownBatch", "ShownRecord", "shown"]

MAX_RECORD: Final = 16_000
"""Bytes of the largest record that is sent with its payload."""


class FollowRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What to follow. If several are given, all must fit.

    Attributes:
        topic: A topic, or the beginning of topics with ``*`` at its end.
        connection: The id of a connection.
        user: An id of connections.
        node: The only node. Default: None, all nodes.
    """

    topic: str | None = None
    connection: str | None = None
    user: str | None = None
    node: str | None = None

    def __str__(self) -> str:
        """Return what is followed, in words."""
        wanted = {"topic": self.topic, "connection": self.connection, "user": self.user}
        what = (f"the {kind} {name!r}" for kind, name in wanted.items() if name is not None)
        where = "all nodes" if self.node is None else f"the node {self.node!r}"
        return f"{', '.join(what)} on {where}"


class ShownRecord(Struct, frozen=True, omit_defaults=True):
    """A record.

    Attributes:
        record: The record of the inspector, as JSON.
        is_binary: Whether the payload is base64, or the response in it.
        is_cut: Whether the payload was too large, and is missing.
    """

    record: Raw
    is_binary: bool = False
    is_cut: bool = False


class ShownBatch(Struct, frozen=True):
    """What a node has seen lately.

    Attributes:
        node: The name of the node.
        records: The records.
        total: How many records the follow has seen, these and those that were dropped included.
    """

    node: str
    records: list[ShownRecord]
    total: int


def shown(record: SeenRecord) -> ShownRecord:
    """Return what the page gets of a record."""
    is_binary = False
    if isinstance(record, FrameSeen | BroadcastSeen):
        is_binary = _holds_bytes(record.payload)
    data = msgspec.json.encode(record)
    if len(data) > MAX_RECORD and isinstance(record, FrameSeen | BroadcastSeen):
        data = msgspec.json.encode(replace(record, payload=None))
        return ShownRecord(Raw(data), is_binary=is_binary, is_cut=True)
    return ShownRecord(Raw(data), is_binary=is_binary)


def _holds_bytes(payload: Any) -> bool:
    """Return whether a payload is bytes, or a reply with bytes."""
    if isinstance(payload, dict):
        payload = cast("dict[str, Any]", payload).get("response")
    return isinstance(payload, bytes)
