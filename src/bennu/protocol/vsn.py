"""Chooses the serializer of a client by the ``vsn`` parameter. Protocol document, §1.5.

The value must be a full semantic version. ``~> 2.0.0`` means at least 2.0.0 and below 2.1.0. A pre-release comes
before its release: 2.0.0-rc.1 is refused, 2.0.1-rc.1 is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from .serializer import Serializer

__all__ = ["DEFAULT_VSN", "closest", "negotiate"]

DEFAULT_VSN: Final = "1.0.0"

_NUMBER = r"(0|[1-9][0-9]*)"
_PRE_RELEASE = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD = r"[0-9A-Za-z-]+"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-({_PRE_RELEASE}(?:\.{_PRE_RELEASE})*))?(?:\+{_BUILD}(?:\.{_BUILD})*)?",
    re.ASCII,
)

_MAX_VSN: Final = 64


@lru_cache(maxsize=64)  # every connect sends one of a few values
def _read(vsn: str) -> tuple[tuple[int, int], bool] | None:
    """Return major and minor version, and whether the version is a pre-release of ``major.minor.0``."""
    found = _VERSION.fullmatch(vsn)
    if found is None:
        return None
    return (int(found[1]), int(found[2])), int(found[3]) == 0 and found[4] is not None


def negotiate(vsn: Any, serializers: Sequence[Serializer]) -> Serializer | None:
    """Return the first serializer of this version; None to refuse the client.

    Args:
        vsn: The decoded query parameter; a value that is no text is refused.
        serializers: The serializers in order of preference.
    """
    version = _read(vsn) if isinstance(vsn, str) and len(vsn) <= _MAX_VSN else None
    if version is None:
        return None
    asked, comes_before = version
    if comes_before:
        return None
    for serializer in serializers:
        if serializer.requirement == asked:
            return serializer
    return None


def closest(vsn: Any, serializers: Sequence[Serializer]) -> Serializer | None:
    """Return the serializer for the refusal of a client that asks for an unknown version.

    Args:
        vsn: The decoded query parameter.
        serializers: The serializers, oldest version first.

    Returns:
        The newest serializer that is not newer than the client's version, else the oldest; None if the
        parameter is no version.
    """
    version = _read(vsn) if isinstance(vsn, str) and len(vsn) <= _MAX_VSN else None
    if version is None:
        return None
    asked, _ = version
    fitting = [one for one in serializers if one.requirement <= asked]
    return (fitting or [serializers[0]])[-1]
