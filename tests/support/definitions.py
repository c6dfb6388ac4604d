"""Reads channel classes, as an endpoint does at start-up."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.definition import ChannelDefinition, define
from bennu.errors import DefinitionError
from bennu.topic import Pattern

__all__ = ["read", "refused"]


def read(channel: Any, pattern: str = "room:*") -> ChannelDefinition:
    """Return the tables of a channel class."""
    return define(channel, Pattern(pattern))


def refused(channel: Any, pattern: str = "room:*") -> DefinitionError:
    """Return the error for a channel class."""
    with pytest.raises(DefinitionError) as raised:
        read(channel, pattern)
    return raised.value
