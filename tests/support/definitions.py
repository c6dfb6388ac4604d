"""What becomes of a channel class at start-up: its tables, or why it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.definition import ChannelDefinition, define
from bennu.errors import DefinitionError
from bennu.topic import Pattern

__all__ = ["read", "refused"]


def read(channel: Any, pattern: str = "room:*") -> ChannelDefinition:
    """The tables of a channel class."""
    return define(channel, Pattern(pattern))


def refused(channel: Any, pattern: str = "room:*") -> DefinitionError:
    """Why a channel class is refused."""
    with pytest.raises(DefinitionError) as raised:
        read(channel, pattern)
    return raised.value
