"""What clients are told of who is here: everything, a sample, or how many.

The larger a topic, the less anybody reads of a list of names, and the more it costs: everyone is told of
everyone. A mode bounds that. What the server knows (``list``, ``count``, the hooks) is whole in all of
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import DefinitionError

__all__ = ["BySize", "Count", "Full", "Mode", "Sample", "Simple"]

BACK: Final = 0.8
"""The part of a threshold at which a topic returns to the mode below: else it would go to and fro."""


@dataclass(frozen=True, slots=True)
class Full:
    """All presences: ``presence_state`` and ``presence_diff``, as Phoenix has them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the keys, with all of their metas, and ``presence_count`` for the whole.

    The sample is stable: a key stays in it until it leaves, and another takes its place. Stock clients
    show it as they would show everybody.

    Args:
        size: How many keys.

    Raises:
        DefinitionError: It is not at least 1.

    Example:
        >>> Sample(20)
        Sample(size=20)
    """

    size: int = 50

    def __post_init__(self) -> None:
        if not _is_count(self.size) or self.size < 1:
            raise DefinitionError(
                "Sample(...)",
                expected="how many keys clients are shown, at least 1",
                got=repr(self.size),
                write="Sample(50), or Count() to show none",
            )


@dataclass(frozen=True, slots=True)
class Count:
    """Only how many: ``presence_count`` with ``{"keys": n, "metas": m}``."""


Simple = Full | Sample | Count


@dataclass(frozen=True, slots=True)
class BySize:
    """A mode chosen by how many keys the topic has.

    A topic that shrinks returns to the mode below at 80 % of the threshold. At a switch everybody gets
    the new ``presence_state``, empty for :class:`Count`. ``presence_count`` is sent in every mode.

    Args:
        modes: From how many keys on which mode applies; one must begin at 0.

    Raises:
        DefinitionError: None begins at 0, or something else is no mode.

    Example:
        >>> BySize({0: Full(), 100: Sample(50), 5000: Count()}).threshold(0, 700)
        100
    """

    modes: Mapping[int, Simple]

    def __post_init__(self) -> None:
        modes = self.modes
        sound = (
            isinstance(modes, Mapping)
            and 0 in modes
            and all(_is_count(size) and size >= 0 for size in modes)
            and all(isinstance(mode, Full | Sample | Count) for mode in modes.values())
        )
        if not sound:
            raise DefinitionError(
                "BySize(...)",
                expected="modes by the number of keys from which they apply, the first from 0",
                got=repr(modes),
                write="BySize({0: Full(), 100: Sample(50), 5000: Count()})",
            )
        object.__setattr__(self, "modes", dict(sorted(modes.items())))

    def threshold(self, current: int, keys: int) -> int:
        """Return the threshold whose mode applies.

        Args:
            current: The one that applied until now.
            keys: How many keys there are.
        """
        reached = max(size for size in self.modes if size <= keys)
        if reached >= current or keys > current * BACK:
            return max(reached, current)
        return max(
            size for size in self.modes if size == 0 or (size * BACK < keys and size < current)
        )


Mode = Full | Sample | Count | BySize


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
