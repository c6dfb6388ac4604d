"""``bennu channels``, ``bennu asyncapi`` and ``bennu types``: what an endpoint offers to clients."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import click

from ..contracts import (
    Contract,
    asyncapi,
    compare,
    contract_of,
    listing,
    python_types,
    topic_table,
    typescript_types,
)
from ..contracts.diff import ContractChange, NotAContract
from ..contracts.servers import DEFAULT_SERVER
from ..endpoint import Endpoint
from ..errors import DefinitionError
from .banner import mounted_endpoints
from .loading import DEFAULT_TARGET, import_from, load
from .parameters import READABLE, app_dir_option, env_file_option

__all__ = ["channels", "document", "types"]

TARGET: Final = click.argument("target", metavar="[MODULE:ENDPOINT]", required=False)
OUTPUT: Final = click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True),
    help="Write to a file instead of the standard output.",
)
WIDEST: Final = 120
"""Columns of the widest table. Longer lines are hard to read."""


@click.command()
@TARGET
@click.option("--json", "as_json", is_flag=True, help="Print JSON with the schemas, for tools.")
@app_dir_option
@env_file_option
def channels(target: str | None, app_dir: str, *, as_json: bool) -> None:
    """Show the topics of an endpoint: their events, types, limits and policies.

    MODULE:ENDPOINT names the application, as for bennu run. The default is app:endpoint.

    \b
    join   the payload of the join -> its reply
    in     an event of clients: its payload -> its reply
    out    an event of the server: its payload

    \b
    bennu channels chat.web:app
    bennu channels --json | jq '.sockets[].channels[].topic'
    """
    contract = _contract(target, app_dir, "bennu channels")
    if as_json:
        click.echo(json.dumps(listing(contract), indent=2))
    else:
        width = min(shutil.get_terminal_size((100, 24)).columns, WIDEST)
        click.echo(topic_table(contract, width))


@click.command("asyncapi")
@TARGET
@click.option(
    "--server",
    default=DEFAULT_SERVER,
    show_default=True,
    metavar="URL",
    help="The URL below which the endpoint is served.",
)
@click.option("--title", default="", help="The title. Default: the application's package.")
@click.option("--release", default="", help="The version. Default: that of the package.")
@click.option(
    "--diff",
    "old",
    metavar="OLD.JSON",
    type=READABLE,
    help="Show what has changed since an older document, and what breaks clients.",
)
@OUTPUT
@app_dir_option
@env_file_option
def document(
    target: str | None,
    server: str,
    title: str,
    release: str,
    old: str | None,
    output: str | None,
    app_dir: str,
) -> None:
    """Write the contract of an endpoint as an AsyncAPI 3.0 document.

    MODULE:ENDPOINT names the application, as for bennu run. The default is app:endpoint.

    \b
    bennu asyncapi chat.web:app --server wss://chat.example.com -o contract.json
    bennu asyncapi chat.web:app --diff contract.json

    With --diff the exit code is 1 if a change breaks clients that were written for the older document, and 0 if none does.
    docs/contracts.md lists the rules.
    """
    contract = _contract(target, app_dir, "bennu asyncapi", title=title, release=release)
    try:
        made = asyncapi(contract, server=server)
    except ValueError as error:
        raise click.UsageError(f"--server: {error}") from error
    if old is None:
        _write(json.dumps(made, indent=2) + "\n", output)
        return
    changes = _changes(old, made)
    _write("".join(f"{line}\n" for line in _report(changes)), output)
    if any(one.breaks for one in changes):
        sys.exit(1)


@click.command()
@TARGET
@click.option("--typescript", "language", flag_value="typescript", help="For the stock client.")
@click.option("--python", "language", flag_value="python", help="For bennu.client.")
@OUTPUT
@app_dir_option
@env_file_option
def types(target: str | None, language: str | None, output: str | None, app_dir: str) -> None:
    """Write types for clients: a wrong topic, event, payload or reply is an error of the type checker.

    MODULE:ENDPOINT names the application, as for bennu run. The default is app:endpoint.

    \b
    bennu types chat.web:app --typescript -o contract.d.ts
    bennu types chat.web:app --python -o contract.py
    """
    if language is None:
        raise click.UsageError("expected --typescript or --python: which client are the types for?")
    contract = _contract(target, app_dir, "bennu types")
    made = typescript_types(contract) if language == "typescript" else python_types(contract)
    _write(made, output)


def _contract(
    target: str | None, app_dir: str, command: str, *, title: str = "", release: str = ""
) -> Contract:
    """Import an application, and return the contract of its endpoint.

    Raises:
        click.ClickException: The application can't be imported, or has no endpoint or several.
    """
    wanted = target or DEFAULT_TARGET
    folder = import_from(app_dir)
    app: Any = load(wanted, folder=folder, is_given=target is not None, command=command)
    found = list(dict.fromkeys(endpoint for endpoint, _ in mounted_endpoints(app)))
    if len(found) != 1:
        raise click.UsageError(
            f"{wanted}: expected an endpoint, or an application with one endpoint, got {app!r} with {len(found)}:"
            f" write the module and the name of the Endpoint itself, {command} chat.web:endpoint"
        )
    endpoint: Endpoint = found[0]
    try:
        return contract_of(endpoint, title=title, release=release)
    except DefinitionError as error:
        raise click.ClickException(str(error)) from error


def _write(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} can't be written: {error.strerror}") from error


def _changes(old: str, new: dict[str, Any]) -> list[ContractChange]:
    """Return the changes since an older document.

    Raises:
        click.ClickException: The file is no such document.
    """
    try:
        return compare(json.loads(Path(old).read_text(encoding="utf-8")), new)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, NotAContract | json.JSONDecodeError) else repr(error)
        raise click.ClickException(
            f"--diff {old}: {why}. Write the file with: bennu asyncapi -o {old}"
        ) from error


def _report(changes: list[ContractChange]) -> list[str]:
    """Return the lines of a comparison."""
    if not changes:
        return ["Nothing has changed for clients."]
    lines: list[str] = []
    for breaks, title in (
        (True, "These changes break clients:"),
        (False, "These changes break no client:"),
    ):
        found = [one for one in changes if one.breaks is breaks]
        if found:
            lines += ["", title, *(f"  {one}" for one in found)]
    return lines[1:]
