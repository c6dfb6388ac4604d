"""``bennu new``: a project that runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import click

from ..generators.names import NameRefused, ProjectName
from ..generators.variants import BARE, DJANGO, FASTAPI, STARLETTE, Variant, commands, project_files
from .files import dry_run_option, force_option, write_files

__all__ = ["new"]

SHOWN: Final = 3
"""Files of a folder that an error names, at most."""


@click.command()
@click.argument("path", metavar="NAME")
@click.option("--fastapi", "options", flag_value="fastapi", multiple=True, help="With FastAPI.")
@click.option("--django", "options", flag_value="django", multiple=True, help="With Django.")
@click.option(
    "--bare",
    "options",
    flag_value="bare",
    multiple=True,
    help="Without a page and a web framework.",
)
@force_option
@dry_run_option
def new(path: str, options: tuple[str, ...], *, force: bool, dry_run: bool) -> None:
    """Write a project that runs: a socket, a channel, presence, tests, a page, a Dockerfile.

    NAME is the name of the project and its folder, in small letters. A path is its last part: ../shop.

    \b
    bennu new shop               with Starlette, which serves the page
    bennu new shop --fastapi     mounted in FastAPI
    bennu new shop --django      around Django, with its accounts
    bennu new shop --bare        the socket alone, for clients that have a token

    The exit code is 0 if the project is written, 1 if a file can't be written or was kept, and 2 if the command is wrong.
    """
    variant = _variant(options)
    root = Path(path)
    try:
        name = ProjectName.parse(root.name)
    except NameRefused as error:
        raise click.UsageError(str(error)) from error
    if not force:
        _expect_empty(root)
    files = project_files(name, variant)
    is_whole = write_files(root, files, force=force, dry_run=dry_run)
    if dry_run:
        return
    click.echo(f"\n{path} is ready. Next:\n")
    for command in (f"cd {shlex.quote(path)}", *commands(files)):
        click.echo(f"  {command}")
    click.echo("\nREADME.md says where things are, and what to change before others use it.")
    if not is_whole:
        raise SystemExit(1)


def _variant(options: tuple[str, ...]) -> Variant:
    chosen = sorted(set(options))
    if len(chosen) > 1:
        both = " and ".join(f"--{one}" for one in chosen)
        raise click.UsageError(f"{both} exclude each other: write one of them")
    by_option = {one.option: one for one in (STARLETTE, FASTAPI, DJANGO, BARE)}
    return by_option[chosen[0] if chosen else ""]


def _expect_empty(root: Path) -> None:
    """Refuse a folder with files. Hidden ones, such as .git and .venv, may be there.

    Raises:
        click.UsageError: The folder has files, or is a file.
    """
    if not root.exists():
        return
    if not root.is_dir():
        raise click.UsageError(f"{root} is a file: write another name")
    found = sorted(one.name for one in root.iterdir() if not one.name.startswith("."))
    if found:
        more = ", …" if len(found) > SHOWN else ""
        raise click.UsageError(
            f"{root} has files ({', '.join(found[:SHOWN])}{more}), and a new project needs an empty folder: write another"
            " name, or --force to replace files. In a project that you have, write bennu gen socket"
        )
