"""Sort keys: text between two neighbours, so that a move changes one row.

Keys are compared character by character, by their code points. Nobody but the server makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fractional_indexing import (  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs] - it has no py.typed
    generate_key_between,
    generate_n_keys_between,
)

from .wire import Spot

__all__ = ["MAX_KEY", "first_keys", "index_of", "key_at", "spread"]

MAX_KEY: Final = 100
"""A key that is longer is a sign of many moves to one place: then all keys of the list are made anew."""


def index_of(spot: Spot, order: Sequence[str]) -> int:
    """Return the index at which to insert, in an order that may have changed since the person looked.

    The neighbour before the place counts first, then the neighbour behind it. If both are gone, the place is the end.

    Args:
        spot: The neighbours that the person saw.
        order: The ids as they are now, without the id that moves.
    """
    if spot.after in order:
        return order.index(spot.after) + 1
    if spot.before in order:
        return order.index(spot.before)
    return 0 if spot.after is None and spot.before is not None else len(order)


def key_at(index: int, keys: Sequence[str]) -> str:
    """Return a key for an index among sorted keys."""
    before = keys[index - 1] if index > 0 else None
    behind = keys[index] if index < len(keys) else None
    return str(generate_key_between(before, behind))


def first_keys(count: int) -> list[str]:
    """Return the keys of the rows of a new list."""
    return [str(key) for key in generate_n_keys_between(None, None, count)]


def spread(keys: Sequence[str]) -> list[str]:
    """Return short keys for the same number of rows. All are above the present ones, so no two rows ever share a key."""
    return [str(key) for key in generate_n_keys_between(keys[-1], None, len(keys))]
