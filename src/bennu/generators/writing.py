"""Files that are to be written: what each of them would change, and the writing itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

__all__ = ["File", "FileChange", "Planned", "plan", "write"]

PRIVATE = 0o600
"""The permissions of a file with a secret."""


class FileChange(Enum):
    """What writing a file does."""

    NEW = "writes"
    SAME = "is as it should be"
    OTHER = "has another content"
    KEPT = "is kept"
    REPLACED = "replaces"


@dataclass(frozen=True)
class File:
    """A file that is to be written.

    Attributes:
        path: Where, from the folder of the project.
        content: The whole text.
        is_secret: Whether other users of the machine must not read it.
        is_kept: Whether a file that is there stays as it is, whatever it contains.
        is_edit: Whether the content is the file that is there, with an addition.
    """

    path: PurePosixPath
    content: str
    is_secret: bool = False
    is_kept: bool = False
    is_edit: bool = False


@dataclass(frozen=True)
class Planned:
    """A file, and what writing it does.

    Attributes:
        file: The file.
        change: What writing does.
    """

    file: File
    change: FileChange


def plan(root: Path, files: Iterable[File]) -> list[Planned]:
    """Return what writing files into a folder would do. Nothing is written.

    Args:
        root: The folder of the project.
        files: The files.
    """
    return [Planned(file, _change(root / file.path, file)) for file in files]


def _change(path: Path, file: File) -> FileChange:
    if not path.exists() and not path.is_symlink():
        return FileChange.NEW
    if file.is_kept:
        return FileChange.KEPT
    if path.is_file() and path.read_bytes() == file.content.encode():
        return FileChange.SAME
    return FileChange.REPLACED if file.is_edit else FileChange.OTHER


def write(
    root: Path,
    planned: Sequence[Planned],
    *,
    may_replace: Callable[[PurePosixPath], bool],
    tell: Callable[[FileChange, PurePosixPath], None],
) -> None:
    """Write files. A file with another content is replaced only with permission.

    Args:
        root: The folder of the project; it is made if it is missing.
        planned: The result of :func:`plan`.
        may_replace: Returns whether a file with another content is replaced. All answers are asked for before the first
            file is written, so that an exception leaves everything as it was.
        tell: Is called with each file, after it was written or left alone.
    """
    decided = [
        (one.file, _decide(one, may_replace=may_replace))
        for one in sorted(planned, key=lambda one: one.file.path)
    ]
    for file, change in decided:
        if change in (FileChange.NEW, FileChange.REPLACED):
            _write(root / file.path, file)
        tell(change, file.path)


def _decide(one: Planned, *, may_replace: Callable[[PurePosixPath], bool]) -> FileChange:
    if one.change is not FileChange.OTHER:
        return one.change
    return FileChange.REPLACED if may_replace(one.file.path) else FileChange.KEPT


def _write(path: Path, file: File) -> None:
    """Write a file as a whole, or not at all: through a new file in the same folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    mode = PRIVATE if file.is_secret else 0o666
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with open(os.open(draft, flags, mode), "w", encoding="utf-8", newline="\n") as opened:
        opened.write(file.content)
    if path.exists() and not file.is_secret:
        draft.chmod(path.stat().st_mode & 0o777)
    draft.replace(path)
