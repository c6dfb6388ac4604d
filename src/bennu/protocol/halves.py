"""Decodes messages with half a character: a lone surrogate, which is valid in JSON but not in UTF-8.

JavaScript's strings are UTF-16, so ``"\\ud83d\\ude00".slice(0, 1)`` is half of an emoji, and ``JSON.stringify`` writes
the half as an escape: ``"\\ud83d"``. Python can't encode such text as UTF-8, and msgspec refuses it as broken JSON.

A message that holds a half becomes a :class:`~bennu.message.Message` whose payload fits no type
(:data:`~bennu.user_code.payload.HALVED`). So the client gets an error reply, and its connection stays open. A topic,
event or ref that holds a half is kept as raw JSON: it matches no channel and no handler, and is sent back unchanged.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, cast

import msgspec

from ..message import Message, Ref
from ..user_code.invalid_payload import HALVED

__all__ = ["halved_message", "has_half"]

_HALF: Final = re.compile(
    rb"""(?:
        [^\\]++
        | \\[^u]
        | \\u (?: [0-9a-cA-CefEF][0-9a-fA-F]{3} | [dD][0-7][0-9a-fA-F]{2} )
        | \\u [dD][89abAB][0-9a-fA-F]{2} \\u [dD][c-fC-F][0-9a-fA-F]{2}
    )*+ \\u[dD][89a-fA-F]""",
    re.VERBOSE,
)
"""Matches up to the first half. Each step takes whole characters, and never backtracks."""


def has_half(data: bytes) -> bool:
    """Return whether JSON holds an escape of half a character, in one linear pass."""
    return _HALF.match(data) is not None


def halved_message(data: bytes) -> Message | None:
    """Return the message of JSON that holds half a character; None if the JSON holds no half, or is no message.

    Args:
        data: JSON that msgspec has refused: an array of five elements (V2), or an object (V1).
    """
    if not has_half(data):
        return None
    try:
        found: Any = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict):
        fields = cast("dict[str, Any]", found)
        if not fields.keys() >= {"topic", "event", "payload", "ref"}:
            return None
        parts = [fields.get(name) for name in ("join_ref", "ref", "topic", "event")]
    elif isinstance(found, list) and len(cast("list[Any]", found)) >= 5:
        parts = cast("list[Any]", found)[:4]
    else:
        return None
    join_ref, ref, topic, event = (_whole_or_raw(part) for part in parts)
    if not (_is_ref(join_ref) and _is_ref(ref)):
        return None
    return Message(cast("Ref", join_ref), cast("Ref", ref), topic, event, HALVED)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _whole_or_raw(value: Any) -> Any:
    """Return a value unchanged, or as raw JSON if it holds half a character."""
    encoded = json.dumps(value).encode()
    return msgspec.Raw(encoded) if has_half(encoded) else value


def _is_ref(value: Any) -> bool:
    if isinstance(value, msgspec.Raw):
        return bytes(memoryview(value)[:1]) == b'"'
    return (
        value is None
        or isinstance(value, str)
        or (type(value) is int and -(2**63) <= value < 2**63)
    )
