"""Checks names that become identifiers of Python, and derives the spellings that templates need."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from typing import Final

from ..errors import BennuError

__all__ = ["MAX_NAME", "ClassName", "NameRefused", "ProjectName"]

MAX_NAME: Final = 40
"""Characters of the longest name: lines with it stay short enough for the formatter."""

TAKEN: Final = frozenset({"bennu", "test", "tests", "static", "django", "fastapi", "starlette"})
"""Names of what a project has or imports."""

_PROJECT: Final = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_CLASS: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


class NameRefused(BennuError):
    """A name can't be used. The message says what was expected, what came, and what to write."""


@dataclass(frozen=True)
class ProjectName:
    """The name of a project, in the spellings of its files.

    Attributes:
        folder: The name of its folder: ``my-app`` or ``my_app``.
        package: The name of its package: ``my_app``.
    """

    folder: str
    package: str

    @classmethod
    def parse(cls, text: str) -> ProjectName:
        """Return the name of a project.

        Raises:
            NameRefused: The text can't be the name of a package, or is the name of another one.

        Example:
            >>> ProjectName.parse("my-app").package
            'my_app'
        """
        package = text.replace("-", "_")
        if not _PROJECT.fullmatch(text):
            raise NameRefused(
                f"expected a name of small letters, digits and _, with a letter first, got {text!r}:"
                f" write for example {_likely_project(text)}"
            )
        if len(text) > MAX_NAME:
            raise NameRefused(
                f"expected a name of at most {MAX_NAME} characters, got {len(text)}: write a shorter one"
            )
        if keyword.iskeyword(package) or keyword.issoftkeyword(package):
            raise NameRefused(
                f"{text} is a word of Python, and can't be imported: write for example my_{text}"
            )
        if package in TAKEN or package in sys.stdlib_module_names:
            raise NameRefused(
                f"{text} is the name of a module that projects import, and yours would hide it:"
                f" write for example my_{text}"
            )
        return cls(text, package)

    @property
    def title(self) -> str:
        """The name for people: ``My App``."""
        return " ".join(word.capitalize() for word in self.package.split("_"))


@dataclass(frozen=True)
class ClassName:
    """The name of a channel or socket, in the spellings of its files.

    Attributes:
        stem: The name without the ending of its kind: ``Room`` of ``RoomChannel``.
        kind: The ending: ``Channel`` or ``Socket``.
    """

    stem: str
    kind: str

    @classmethod
    def parse(cls, text: str, kind: str) -> ClassName:
        """Return the name of a class, given with or without the ending of its kind.

        Raises:
            NameRefused: The text can't be the name of a class.

        Example:
            >>> ClassName.parse("ChatRoom", "Channel").module
            'chat_room'
        """
        stem = text.removesuffix(kind)
        if not _CLASS.fullmatch(stem):
            raise NameRefused(
                f"expected the name of a class, such as Room or ChatRoom, got {text!r}:"
                f" write {_likely_class(text)}"
            )
        if len(stem) > MAX_NAME:
            raise NameRefused(
                f"expected a name of at most {MAX_NAME} characters, got {len(stem)}: write a shorter one"
            )
        made = cls(stem, kind)
        if keyword.iskeyword(made.module):
            raise NameRefused(
                f"a module can't have the name {made.module}: write for example {stem}Room"
            )
        return made

    @property
    def cls(self) -> str:
        """The name of the class: ``RoomChannel``."""
        return self.stem + self.kind

    @property
    def module(self) -> str:
        """The name of the module: ``chat_room`` of ``ChatRoom``."""
        return "_".join(word.lower() for word in _WORD.findall(self.stem))


def _likely_project(text: str) -> str:
    likely = "_".join(re.findall(r"[a-z0-9]+", text.lower())).lstrip("0123456789_")
    return likely if _PROJECT.fullmatch(likely) else "my_app"


def _likely_class(text: str) -> str:
    words = re.findall(r"[A-Za-z][A-Za-z0-9]*", text)
    return "".join(word[0].upper() + word[1:] for word in words) or "Room"
