"""``bennu gen``: parts of a project, written into one that is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from ..errors import BennuError
from ..generators.names import ClassName
from ..generators.parts import NewPart, auth_part, channel_part, presence_part, socket_part
from ..generators.place import ProjectPlace, find_place
from ..generators.secret import new_secret
from .files import dry_run_option, force_option, write_files

__all__ = ["gen"]

package_option: Final[Callable[[Any], Any]] = click.option(
    "--package",
    metavar="NAME",
    help="The package to write into. By default the one with a socket, else the package realtime.",
)


@click.group()
def gen() -> None:
    """Write a part of a project into this folder: a channel, a socket, presence, tokens, a secret.

    The project can be one of bennu new, or any other: with FastAPI, with Django, or with neither.
    """


@gen.command()
@click.argument("name")
@click.argument("topic")
@package_option
@force_option
@dry_run_option
def channel(name: str, topic: str, package: str | None, *, force: bool, dry_run: bool) -> None:
    """Write a channel and its test, and add it to the socket.

    NAME is the name of the class, with or without Channel at its end. TOPIC is the pattern of its topics. A parameter whose
    name ends with _id is an int, any other is text.

    \b
    bennu gen channel Room "room:{room_id}"
    bennu gen channel Inbox inbox
    """
    _generate(
        lambda place: channel_part(place, ClassName.parse(name, "Channel"), topic),
        package,
        force=force,
        dry_run=dry_run,
    )


@gen.command()
@click.argument("name", required=False)
@package_option
@force_option
@dry_run_option
def socket(name: str | None, package: str | None, *, force: bool, dry_run: bool) -> None:
    """Write a socket that checks tokens, its test, and the endpoint.

    NAME is the name of one more socket, such as Admin. Without it the command writes the first socket of a project.
    """
    _generate(
        lambda place: socket_part(place, None if name is None else ClassName.parse(name, "Socket")),
        package,
        force=force,
        dry_run=dry_run,
    )


@gen.command()
@package_option
@force_option
@dry_run_option
def presence(package: str | None, *, force: bool, dry_run: bool) -> None:
    """Write a presence: who is in a topic."""
    _generate(presence_part, package, force=force, dry_run=dry_run)


@gen.command()
@package_option
@force_option
@dry_run_option
def auth(package: str | None, *, force: bool, dry_run: bool) -> None:
    """Write tokens and their test: how a page tells the socket who its user is."""
    _generate(auth_part, package, force=force, dry_run=dry_run)


@gen.command()
def secret() -> None:
    """Print a new secret: 64 random characters.

    It is good for SECRET_KEY of a project, for Endpoint(secret_key=...) and for BENNU_SECRET_KEY.
    """
    click.echo(new_secret())


def _generate(
    make: Callable[[ProjectPlace], NewPart], package: str | None, *, force: bool, dry_run: bool
) -> None:
    """Make a part for the project in this folder, write it, and say what is left to do.

    Raises:
        click.UsageError: An argument is wrong, or there is no place for the part.
    """
    root = Path()
    try:
        part = make(find_place(root, package))
    except BennuError as error:
        raise click.UsageError(str(error)) from error
    is_whole = write_files(root, part.files, force=force, dry_run=dry_run)
    if dry_run:
        return
    for step in part.steps:
        click.echo(f"\n{step}")
    if not is_whole:
        raise SystemExit(1)
