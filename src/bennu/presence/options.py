"""How a presence is set up: its options, looked at before any client can meet a mistake in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import DefinitionError
from .crdt import Periods
from .hooks import Hooks
from .modes import BySize, Count, Full, Mode, Sample

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a :class:`~bennu.Presence`, which says what they mean.

    Raises:
        DefinitionError: One of them is nothing that it can be.
    """

    name: str
    window: float
    mode: Mode
    grace: float
    shards: int
    max_keys: int
    periods: Periods
    hooks: Hooks

    def __post_init__(self) -> None:
        given: Any = self.name
        if not isinstance(given, str) or not given:
            raise _mistake("name", "a name", given, 'Presence("rooms")')
        if not _is_seconds(self.window):
            raise _mistake("window", "seconds, from 0 to a day", self.window, "window=0.05")
        given = self.mode
        if not isinstance(given, Full | Sample | Count | BySize):
            expected = "Full(), Sample(size), Count() or BySize({...})"
            raise _mistake("mode", expected, given, "mode=Full()")
        if not _is_seconds(self.grace):
            raise _mistake("grace", "seconds, from 0 to a day", self.grace, "grace=5")
        for option, given in (("shards", self.shards), ("max_keys", self.max_keys)):
            if not isinstance(given, int) or isinstance(given, bool) or given < 1:
                raise _mistake(option, "how many, at least 1", given, f"{option}=1")
        given = self.periods
        if not isinstance(given, Periods):
            write = "periods=Periods(broadcast=1.5, down=30)"
            raise _mistake("periods", "the times of the replication", given, write)


def _is_seconds(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 86400


def _mistake(option: str, expected: str, got: object, write: str) -> DefinitionError:
    return DefinitionError(f"Presence({option}=...)", expected=expected, got=repr(got), write=write)
