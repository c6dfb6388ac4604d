"""Writes the files of ``bennu new`` and ``bennu gen``: asks before it replaces one, and says what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import click

from ..generators.writing import File, FileChange, Planned, plan, write

__all__ = ["dry_run_option", "force_option", "write_files"]

force_option: Final[Callable[[Any], Any]] = click.option(
    "--force", is_flag=True, help="Replace files that have another content, without a question."
)
"""Adds ``--force`` to a command."""

dry_run_option: Final[Callable[[Any], Any]] = click.option(
    "--dry-run", is_flag=True, help="Say what would be written, and write nothing."
)
"""Adds ``--dry-run`` to a command."""


def write_files(root: Path, files: Sequence[File], *, force: bool, dry_run: bool) -> bool:
    """Write files, and print a line for each. Return whether all of them have their content now.

    A file with another content is replaced if the user says so: by ``--force``, or by an answer on a terminal.

    Args:
        root: The folder of the project.
        files: The files.
        force: Whether files are replaced without a question.
        dry_run: Whether nothing is written.

    Raises:
        click.ClickException: A file can't be written.
    """
    planned = plan(root, files)
    if dry_run:
        _show(root, planned, force=force)
        return True
    kept: list[PurePosixPath] = []

    def may_replace(path: PurePosixPath) -> bool:
        allowed = force or (
            sys.stdin.isatty() and click.confirm(f"{root / path} has another content. Replace it?")
        )
        if not allowed:
            kept.append(path)
        return allowed

    def tell(change: FileChange, path: PurePosixPath) -> None:
        if change in (FileChange.NEW, FileChange.REPLACED) or path in kept:
            click.echo(f"  {change.value:<8}  {root / path}")

    try:
        write(root, planned, may_replace=may_replace, tell=tell)
    except OSError as error:
        raise click.ClickException(f"{error.filename or root}: {error.strerror}") from error
    if kept and not sys.stdin.isatty():
        click.echo(
            f"{len(kept)} file(s) were there with another content, and were kept: --force replaces them",
            err=True,
        )
    return not kept


def _show(root: Path, planned: Sequence[Planned], *, force: bool) -> None:
    for one in sorted(planned, key=lambda one: one.file.path):
        match one.change:
            case FileChange.OTHER if not force:
                words = "would ask before it replaces"
            case FileChange.OTHER | FileChange.REPLACED:
                words = "would replace"
            case FileChange.NEW:
                words = "would write"
            case _:
                continue
        click.echo(f"  {words} {root / one.file.path}")
