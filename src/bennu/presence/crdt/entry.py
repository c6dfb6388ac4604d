"""What is tracked, and what changed of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from msgspec import MsgspecError, Struct, msgpack

from ...errors import EncodeError

__all__ = ["Diff", "Entry", "make_entry", "refuse_extension"]


class Entry(Struct, frozen=True, array_like=True):
    """An actor that is present in a topic.

    Attributes:
        topic: Where.
        actor: Who: a number that is unique within its replica.
        key: As what; one actor may have several keys in a topic.
        meta: What is known about it, ``phx_ref`` included. It must not be changed: an update replaces it.
    """

    topic: str
    actor: int
    key: str
    meta: dict[str, Any]


@dataclass(slots=True)
class Diff:
    """What joined and what left, as one change: an update is both, in one diff. False if it is neither.

    Example:
        >>> bool(Diff())
        False
    """

    joins: list[Entry] = field(default_factory=list[Entry])
    leaves: list[Entry] = field(default_factory=list[Entry])

    def __bool__(self) -> bool:
        return bool(self.joins or self.leaves)


def refuse_extension(code: int, data: memoryview) -> NoReturn:
    """Refuse what MessagePack can carry and JSON can't."""
    raise ValueError(f"an extension of type {code}, where only plain values may be")


_encoder = msgpack.Encoder()
_decoder = msgpack.Decoder(Entry, ext_hook=refuse_extension)


def make_entry(topic: str, actor: int, key: str, meta: dict[str, Any]) -> Entry:
    """Return an entry as all other nodes will see it.

    It went to bytes and back, so its meta is a copy of plain values. What can't go that way must be found
    here: in a heartbeat it would keep all else from being told.

    Raises:
        EncodeError: The entry can't be told to other nodes.

    Example:
        >>> make_entry("room:1", 5, "u1", {"at": (1, 2)})
        Entry(topic='room:1', actor=5, key='u1', meta={'at': [1, 2]})
    """
    try:
        told = _decoder.decode(_encoder.encode(Entry(topic, actor, key, meta)))
    except (MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(
            f"the presence of {key!r} in {topic!r} can't be told to other nodes: {error}."
            " Expected a text as key, and a meta of plain values with texts as its keys"
        ) from error
    # The topic is one string for all its entries.
    return Entry(topic, actor, key, told.meta)
