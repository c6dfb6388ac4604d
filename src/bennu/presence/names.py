"""Names: the keys, metas and refs of presences. Protocol document, §6.1."""

from __future__ import annotations

import secrets
import struct
import time
from base64 import urlsafe_b64encode
from typing import Any, Final, cast
from zlib import crc32

import msgspec

from ..errors import EncodeError, KeyRefused, MetaRefused
from ..logs.printable import printable
from ..user_code.outgoing import to_builtin
from .net_effect import PREV, REF, Meta

__all__ = [
    "INHERITED",
    "Refs",
    "key_of",
    "meta_of",
    "plain_text",
    "stable_hash",
]

INHERITED: Final = frozenset(
    {
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
    }
)
"""The names that every JavaScript object inherits. The stock client looks a key up in an object, so it takes these names
for existing presences. Some of them crash it (CVE-2026-56812)."""


MAX_KEY: Final = 1024
"""The most bytes of a key. The limit exists because all clients of the topic get the key."""

MAX_META: Final = 65_536
"""The most bytes of a meta as MessagePack. The limit exists because all clients of the topic get the meta."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Any).decode


def key_of(key: object) -> str:
    """Return a key as text.

    Args:
        key: Text, or an integer, which is written as text.

    Raises:
        KeyRefused: The key is of another type, is too long, or would harm the stock client.
    """
    if isinstance(key, str):
        if key in INHERITED:
            raise KeyRefused(
                f"a presence can't have the key {key!r}: every JavaScript object inherits that name, and the"
                ' stock client would fail: write a prefix before keys that users choose, f"user:{key}"'
            )
        if not key.isascii():
            try:
                key.encode()
            except UnicodeEncodeError as error:
                raise KeyRefused(
                    f"a presence's key must be text that UTF-8 can encode: {error}"
                ) from error
        size = len(key) if key.isascii() else len(key.encode())
        if size > MAX_KEY:
            raise KeyRefused(
                f"a presence's key has at most {MAX_KEY:,} bytes, this key has {size:,}"
            )
        return key if type(key) is str else plain_text(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    raise KeyRefused(
        f"a presence's key is text or an integer, got {key!r}: write str(user.id), for example"
    )


def plain_text(text: str) -> str:
    """Return a text as a plain ``str``: MessagePack can't carry a subclass, such as the value of an enum."""
    return text if type(text) is str else str.__str__(text)


def meta_of(meta: Any) -> Meta:
    """Return the meta of a presence as other nodes will see it, without refs: a copy, of plain values.

    The copy is written as MessagePack and read again. So a meta that can't be sent to other nodes is refused here.
    In a heartbeat such a meta would prevent all other changes from being sent.

    Args:
        meta: A dict, Struct, dataclass or model; None is an empty meta.

    Raises:
        EncodeError: The meta is no JSON object.
        MetaRefused: The meta is too large.
    """
    if meta is None:
        return {}
    try:
        data = _encode(msgspec.to_builtins(meta, str_keys=True, enc_hook=to_builtin))
        decoded = _decode(data)
    except Exception as error:  # of any kind, because a model can run any code
        raise EncodeError(
            f"the meta of a presence can't be written as JSON: {printable(error)}"
        ) from error
    if not isinstance(decoded, dict):
        raise EncodeError(
            "the meta of a presence is a JSON object (a dict, Struct, dataclass or model);"
            f" got {type(meta).__name__}: write {{'value': ...}} around it"
        )
    if len(data) > MAX_META:
        raise MetaRefused(
            f"a presence's meta has at most {MAX_META:,} bytes, this meta has {len(data):,}"
        )
    own = cast("Meta", decoded)
    own.pop(REF, None)
    own.pop(PREV, None)
    return own


class Refs:
    """Makes the phx_refs of one shard: 16 characters each, and all different in any cluster.

    Args:
        node: The name of this node.
        shard: The name of the shard.
    """

    __slots__ = ("_count", "_hash")

    def __init__(self, node: str, shard: str) -> None:
        self._hash = stable_hash(f"{node}/{shard}") & 0xFFFF
        self._count = secrets.randbelow(0x10000)

    def make(self) -> str:
        """Return the next ref: the time in ns, a hash of node and shard, and a counter, in URL-safe base64."""
        self._count = (self._count + 1) & 0xFFFF
        packed = struct.pack(">QHH", time.time_ns(), self._hash, self._count)
        return urlsafe_b64encode(packed).decode()


def stable_hash(text: str) -> int:
    """Return a number that is the same for a text on every node and in every process."""
    return crc32(text.encode(errors="surrogatepass"))
