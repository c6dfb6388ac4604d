"""The values of a channel's ``when_slow``: what happens to messages for a client that reads too slowly.

These classes only declare a policy. The queue in :mod:`bennu.server.send_queue` applies it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from .errors import DefinitionError, source_line
from .user_code.functions import refuse_async, refuse_generator
from .user_code.options import options

__all__ = ["DropOldest", "DropPolicy", "Latest", "WhenSlow"]


@options()
@dataclass(frozen=True, slots=True)
class DropOldest:
    """Keep the newest messages of the channel, and drop the oldest.

    Args:
        max: The most messages of the channel that wait. Default: 1000.

    Raises:
        DefinitionError: ``max`` is no whole number above 0.

    Example:
        >>> DropOldest(max=100)
        DropOldest(max=100)
    """

    max: int = 1000

    def __post_init__(self) -> None:
        _expect_count("DropOldest", self.max)

    def key_of(self, event: str, payload: Any) -> Hashable:
        """Return None: no message replaces another message."""


@options()
@dataclass(frozen=True, slots=True)
class Latest:
    """Keep only the newest message for each key, as for prices, positions and progress.

    Args:
        key: A newer message replaces an older message with the same key. Pass the name of a field of the payload:
            the key is the event and the field's value, and a payload without the field is not replaced. Or pass a
            function of event and payload that returns the key. Default: None, the key is the event.
        max: The most messages of the channel that wait; above it the oldest message is dropped. Default: 1000.

    Raises:
        DefinitionError: ``key`` is no text and no plain function, or ``max`` is no whole number above 0.

    Example:
        >>> Latest(key="symbol").key_of("price", {"symbol": "ACME", "bid": 3})
        ('price', 'ACME')
    """

    key: str | Callable[[str, Any], Hashable] | None = None
    max: int = 1000

    def __post_init__(self) -> None:
        _expect_count("Latest", self.max)
        if self.key is not None and not isinstance(self.key, str) and not callable(self.key):
            raise DefinitionError(
                "Latest(key=...)",
                expected="the name of a field, or a function of event and payload",
                got=repr(self.key),
                write='Latest(key="symbol")',
            )
        if callable(self.key):
            refuse_generator("Latest(key=...)", self.key)
            refuse_async(
                "Latest(key=...)",
                self.key,
                why="it is called for each message, and nothing waits for it",
                write='Latest(key=lambda event, payload: payload["symbol"])',
            )

    def key_of(self, event: str, payload: Any) -> Hashable:
        """Return the key of a message; None for a message that is not replaced.

        If ``key`` is a function, this returns None: the server calls the function.
        """
        if self.key is None:
            return event
        if not isinstance(self.key, str):
            return None
        if isinstance(payload, Mapping):
            fields = cast("Mapping[str, Any]", payload)
            return (event, fields[self.key]) if self.key in fields else None
        return (event, getattr(payload, self.key)) if hasattr(payload, self.key) else None


DropPolicy = DropOldest | Latest
WhenSlow = Literal["close"] | DropOldest | Latest


def _expect_count(name: str, given: object) -> None:
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise DefinitionError(
            f"{name}(max=...)",
            expected="a whole number above 0",
            got=repr(given),
            write=f"{name}(max=100)",
            where=source_line(given) if callable(given) else None,
        )
