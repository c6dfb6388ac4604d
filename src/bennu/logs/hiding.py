"""Hides secrets in parameters and payloads that are logged, and bounds their size."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from .printable import CUT, MAX_DEPTH, fields_of

__all__ = ["FILTERED", "SECRET_TERMS", "ParameterFilter"]

FILTERED: Final = "[FILTERED]"

SECRET_TERMS: Final = (
    "api_key",
    "authorization",
    "cookie",
    "credential",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "token",
)
"""The default terms: a value is hidden if its key contains one of them."""

MAX_VALUES: Final = 500
"""Values that the filter reads. A log line shows fewer."""

MAX_TEXT: Final = 1000
"""Characters of a text that the filter searches for secrets. No more characters are shown."""

ENDLESS: Final = sys.maxsize

_SEPARATORS = str.maketrans("", "", " \t\r\n_-.'\"[]")
_ASSIGNED = ("=", ":", "%3d")


def _plain(text: str) -> str:
    """Return text in which ``authToken``, ``auth-token`` and ``AUTH_TOKEN`` are the same."""
    return text.casefold().translate(_SEPARATORS)


class ParameterFilter:
    """Hides secrets in parameters and payloads that are logged.

    Names are compared without regard to case and separators: the term ``api_key`` hides the values of the keys
    ``apiKey``, ``API-KEY`` and ``x_api_key``.

    Args:
        terms: A value is hidden if its key contains a term, or if the value is text that contains ``term=`` or
            ``term:``. The default terms are ``password``, ``token``, ``secret``, ``authorization``,
            ``cookie``, ``api_key``, ``jwt``, ``credential``, ``passwd``, ``passphrase``, ``private_key``.
        keep: If given, all values are hidden except the values of exactly these keys. Default: None.

    Example:
        >>> ParameterFilter()({"user": {"userPassword": "x", "name": "ann"}})
        {'user': {'userPassword': '[FILTERED]', 'name': 'ann'}}
    """

    __slots__ = ("_keep", "_terms")

    def __init__(
        self, terms: Sequence[str] = SECRET_TERMS, *, keep: Sequence[str] | None = None
    ) -> None:
        self._terms = tuple(plain for plain in map(_plain, terms) if plain)
        self._keep = None if keep is None else frozenset(keep)

    def __call__(self, value: Any) -> Any:
        """Return a copy of a value with its secrets hidden.

        The copy holds at most 500 values, and 1,000 characters of a text; ``…`` stands for the rest. An object
        with declared fields (a Struct, dataclass or model) becomes a dict if one of its fields is hidden.
        """
        return self._copy(value, _Walk())

    def whole(self, value: Any) -> Any:
        """Return a copy with its secrets hidden and nothing cut: for a recording, which is replayed."""
        return self._copy(value, _Walk(values=ENDLESS, text=ENDLESS, depth=ENDLESS))

    def _copy(self, value: Any, walk: _Walk) -> Any:
        return self._discard(value, walk) if self._keep is None else self._only(value, walk)

    def _discard(self, value: Any, walk: _Walk) -> Any:
        return walk.map(
            value,
            lambda key, inner: FILTERED if self._names(key) else self._discard(inner, walk),
            lambda leaf: FILTERED if self._assigns(leaf) else leaf,
        )

    def _names(self, key: Any) -> bool:
        """Return whether a key is the name of a secret."""
        if not isinstance(key, str):
            return False
        plain = _plain(key[:MAX_TEXT])
        return len(key) > MAX_TEXT or any(term in plain for term in self._terms)

    def _assigns(self, leaf: Any) -> bool:
        """Return whether a text holds a secret together with its name, as ``token=abc``."""
        if not isinstance(leaf, str):
            return False
        plain = _plain(leaf)
        return any(term + sign in plain for term in self._terms for sign in _ASSIGNED)

    def _only(self, value: Any, walk: _Walk) -> Any:
        keep = cast("frozenset[str]", self._keep)
        return walk.map(
            value,
            lambda key, inner: walk.whole(inner) if key in keep else self._only(inner, walk),
            lambda leaf: FILTERED,
        )


class _Walk:
    """Copies one value.

    Args:
        values: The most values of the copy.
        text: The most characters of a text.
        depth: The deepest nesting.
    """

    __slots__ = ("_deepest", "_depth", "_left", "_longest")

    def __init__(
        self, values: int = MAX_VALUES, text: int = MAX_TEXT, depth: int = MAX_DEPTH
    ) -> None:
        self._depth = 0
        self._left = values
        self._longest = text
        self._deepest = depth

    def map(self, value: Any, entry: Callable[[Any, Any], Any], leaf: Callable[[Any], Any]) -> Any:
        """Copy a value.

        Args:
            value: The value.
            entry: Returns the copy of a dict's or object's value, from its key and the value.
            leaf: Returns the copy of a value that is no container.
        """
        if self._depth > self._deepest:
            return CUT
        self._depth += 1
        try:
            return self._map(value, entry, leaf)
        finally:
            self._depth -= 1

    def _map(self, value: Any, entry: Callable[[Any, Any], Any], leaf: Callable[[Any], Any]) -> Any:
        if isinstance(value, dict):
            return self._entries(cast("dict[Any, Any]", value), entry)
        if isinstance(value, list | tuple):
            return [self.map(inner, entry, leaf) for inner in self._some(cast("list[Any]", value))]
        fields = fields_of(value)
        if fields is not None:
            shown = self._entries(fields, entry)
            return value if shown == fields else shown
        return leaf(self._short(value))

    def whole(self, value: Any) -> Any:
        """Copy a value without hiding anything."""
        return self.map(value, lambda _, inner: self.whole(inner), lambda leaf: leaf)

    def _entries(self, entries: dict[Any, Any], entry: Callable[[Any, Any], Any]) -> dict[Any, Any]:
        shown: dict[Any, Any] = {}
        for key in self._some(entries):
            shown[self._short(key)] = CUT if key is CUT else entry(key, entries[key])
        return shown

    def _some(self, values: Any) -> Any:
        """Yield values up to the most in total, and then ``…`` for the rest."""
        for value in values:
            if self._left <= 0:
                yield CUT
                return
            self._left -= 1
            yield value

    def _short(self, value: Any) -> Any:
        longest = self._longest
        return value[:longest] if isinstance(value, str) and len(value) > longest else value
