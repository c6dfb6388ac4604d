"""Which serializer a client gets: the ``vsn`` parameter. Protocol document, §1.5.

The value must be a full semantic version. ``~> 2.0.0`` means at least 2.0.0 and below 2.1.0, where a
pre-release comes before its release: 2.0.0-rc.1 is refused, 2.0.1-rc.1 is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from .base import Serializer

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


def negotiate(vsn: Any, serializers: Sequence[Serializer]) -> Serializer | None:
    """Return the first serializer that speaks this version, or None to refuse the client.

    Args:
        vsn: The decoded query parameter; anything but text is refused.
        serializers: In order of preference.
    """
    found = _VERSION.fullmatch(vsn) if isinstance(vsn, str) and len(vsn) <= 64 else None
    if found is None:
        return None
    major, minor, patch = int(found[1]), int(found[2]), int(found[3])
    if patch == 0 and found[4] is not None:
        return None
    for serializer in serializers:
        if serializer.requirement == (major, minor):
            return serializer
    return None


def closest(vsn: Any, serializers: Sequence[Serializer]) -> Serializer | None:
    """Return what a client may understand that asks for a version which nobody speaks.

    Args:
        vsn: The decoded query parameter.
        serializers: In rising order.

    Returns:
        The newest that is no newer than what it asks for; None if it asks for no version at all.
    """
    found = _VERSION.fullmatch(vsn) if isinstance(vsn, str) and len(vsn) <= 64 else None
    if found is None:
        return None
    asked = int(found[1]), int(found[2])
    fitting = [one for one in serializers if one.requirement <= asked]
    return (fitting or [serializers[0]])[-1]
