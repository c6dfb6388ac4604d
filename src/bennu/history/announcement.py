"""The bytes of a new entry on the bus. Pure.

The name of the envelope (:mod:`bennu.pubsub.envelope`) is the epoch. The content is the offset and the ``prev`` of the
entry, in eight bytes each, and the draft. If the draft is too large for the bus, it is left out: the other nodes read the log.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from ..errors import DecodeError
from ..pubsub.envelope import Envelope, EnvelopeKind, pack
from ..store.entry import Draft, LogEntry, pack_draft, unpack_draft

__all__ = ["pack_announcement", "unpack_announcement"]

_PLACE: Final = Struct(">QQ")


def pack_announcement(epoch: str, place: tuple[int, int], draft: Draft | None) -> bytes:
    """Return the envelope of a new entry.

    Args:
        epoch: The epoch of the log.
        place: The offset of the entry, and of the entry before it.
        draft: The rest of the entry; None leaves it out.
    """
    content = b"" if draft is None else pack_draft(draft)
    return pack(EnvelopeKind.ENTRY, epoch, _PLACE.pack(*place) + content)


def unpack_announcement(envelope: Envelope) -> tuple[str, LogEntry | None]:
    """Return the epoch and the entry of an envelope; None if the entry must be read.

    Raises:
        DecodeError: The bytes are no entry of this version of Bennu.
    """
    content = envelope.content
    if len(content) < _PLACE.size:
        raise DecodeError(f"expected the place of an entry, got {content!r}")
    if len(content) == _PLACE.size:
        return envelope.name, None
    offset, prev = _PLACE.unpack_from(content)
    return envelope.name, LogEntry(offset, prev, *unpack_draft(content[_PLACE.size :]))
