"""What is done with words that a chat does not want. Write your own filter: it has one method."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from bennu import Refused

__all__ = ["Filter", "WordFilter"]

WORD: Final = re.compile(r"\w+")


class Filter(Protocol):
    """Decides about each new and each edited message."""

    def check(self, text: str) -> str:
        """Return the text as it is stored: as it is, or with parts masked.

        Raises:
            Refused: The message is refused; the page shows the reason.
        """
        ...


class WordFilter:
    """Masks whole words, in any case and in any of their Unicode forms. A word with ``!`` refuses the message.

    It is no cure: people write around it, and innocent words are on every list. Moderators decide the rest.

    Args:
        words: The words: ``["darn", "!heck"]``.
    """

    def __init__(self, words: Iterable[str]) -> None:
        plain = [_plain(word) for word in words if word.strip() and not word.startswith("#")]
        self._refused = frozenset(word[1:] for word in plain if word.startswith("!"))
        self._masked = frozenset(word for word in plain if not word.startswith("!"))

    @classmethod
    def of_file(cls, path: Path) -> WordFilter:
        """Make the filter of a file with a word on each line. Lines that begin with ``#`` are comments."""
        return cls(path.read_text("utf-8").splitlines())

    def check(self, text: str) -> str:
        """Return the text with masked words."""
        found = {_plain(word) for word in WORD.findall(text)}
        if found & self._refused:
            raise Refused("unwanted_words")
        if not found & self._masked:
            return text
        return WORD.sub(self._mask, text)

    def _mask(self, word: re.Match[str]) -> str:
        return "*" * len(word[0]) if _plain(word[0]) in self._masked else word[0]


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word.strip()).casefold()
