"""The form in which topics travel on a bus. Pure."""

from __future__ import annotations

from typing import Final

from ..errors import EncodeError

__all__ = ["MAX_TOPIC", "key_of"]

MAX_TOPIC: Final = 65_535
"""Bytes of a topic."""


def key_of(topic: str) -> bytes:
    """Return a topic in UTF-8.

    Raises:
        EncodeError: The topic is too long, or has no UTF-8 form.
    """
    try:
        key = topic.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"the topic {topic!r} has no UTF-8 form") from error
    if len(key) > MAX_TOPIC:
        raise EncodeError(
            f"a topic has {len(key):,} bytes: a bus carries topics of at most {MAX_TOPIC:,}"
        )
    return key
