"""The subject of each channel.

A channel is any text. A subject is made of tokens without spaces, dots and wildcards, and a server has a limit for the line
in which a subject stands (``max_control_line``, 4,096 bytes by default). So a channel becomes one token: a letter, and the
base64url form of the channel, without padding. A longer channel becomes another letter, and the SHA-256 of the channel. The
hash is not cut short, so nobody can make two channels with one subject.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from typing import Final

__all__ = ["PREFIX", "is_prefix", "subject"]

PREFIX: Final = "bennu"
"""The first token of all subjects, by default."""

MAX_PLAIN: Final = 180
"""Bytes of the longest channel that its subject shows. Beyond, the subject has more than 250 bytes."""

_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)


@lru_cache(maxsize=16_384)  # about 1 µs for each message of a busy channel
def subject(prefix: str, channel: str) -> bytes:
    """Return the subject of a channel.

    Example:
        >>> subject("bennu", "room:1")
        b'bennu.tcm9vbTox'
    """
    raw = channel.encode()
    letter, content = ("t", raw) if len(raw) <= MAX_PLAIN else ("h", hashlib.sha256(raw).digest())
    token = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
    return f"{prefix}.{letter}{token}".encode()


def is_prefix(text: str) -> bool:
    """Return whether a text is made of tokens, and has at most 100 characters."""
    return len(text) <= 100 and _PREFIX.fullmatch(text) is not None
