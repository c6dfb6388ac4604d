"""The reply to an idempotent push, as the store keeps it. Pure.

Its bytes: a version byte; a byte for the kind; 16 bytes of the payload's digest; the length of the status in two
bytes; then the status and the response.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from ..errors import DecodeError, EncodeError

__all__ = ["KeptReply", "ReplyKind"]

_HEAD: Final = Struct(">BB16sH")
_VERSION: Final = 1


class ReplyKind(IntEnum):
    """The kinds of replies."""

    NONE = 0
    """The handler has run, and sent no reply."""
    JSON = 1
    BYTES = 2


class KeptReply(NamedTuple):
    """A reply.

    Attributes:
        digest: The digest of the payload that was answered.
        kind: The kind.
        status: The status.
        response: The response: JSON or any bytes.
    """

    digest: bytes
    kind: ReplyKind
    status: str
    response: bytes

    def pack(self) -> bytes:
        """Return the bytes of the reply.

        Raises:
            EncodeError: The status is no text, or has more than 65,535 bytes.
        """
        try:
            status = self.status.encode()
        except UnicodeEncodeError as error:
            raise EncodeError(f"a status is text, got {self.status!r}") from error
        if len(status) > 65_535:
            raise EncodeError(f"a status has at most 65535 bytes, got {len(status)}")
        head = _HEAD.pack(_VERSION, self.kind, self.digest, len(status))
        return b"".join((head, status, self.response))

    @classmethod
    def unpack(cls, data: bytes) -> KeptReply:
        """Return the reply of some bytes.

        Raises:
            DecodeError: The bytes are no reply of this version of Bennu.
        """
        if len(data) < _HEAD.size:
            raise DecodeError(f"expected a reply of at least {_HEAD.size} bytes, got {data!r}")
        version, kind, digest, length = _HEAD.unpack_from(data)
        end = _HEAD.size + length
        if version != _VERSION or kind > ReplyKind.BYTES or end > len(data):
            raise DecodeError(f"expected a reply of version {_VERSION}, got {data[:end]!r}")
        try:
            status = data[_HEAD.size : end].decode()
        except UnicodeDecodeError as error:
            raise DecodeError(f"expected a status, got {data[_HEAD.size : end]!r}") from error
        return cls(digest, ReplyKind(kind), status, data[end:])
