"""``bennu publish`` and ``bennu disconnect``: one message from a shell or a cron job to the clients of an application."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from ..bus.address import BUS_VARIABLE
from ..endpoint import Endpoint
from ..errors import BennuError, DecodeError, NotConfirmed, StoreUnavailable
from ..protocol.encoding import check_nesting
from ..publisher import Publisher
from ..publisher.publisher import TIMEOUT
from .banner import mounted_endpoints
from .loading import import_from, load
from .parameters import Seconds, app_dir_option, env_file_option

__all__ = ["disconnect", "publish"]

ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
"""What an address begins with. Anything else is a topic or an id."""

LIMIT: Final = click.option(
    "--timeout",
    default=TIMEOUT,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="The most seconds until the bus confirms the message.",
)

APP: Final = click.option(
    "--app",
    "target",
    metavar="MODULE:ENDPOINT",
    help="The application, as bennu run takes it: its endpoint has the bus, the store and the histories.",
)

Work = Callable[[Publisher], Awaitable[int | None]]


@click.command()
@click.argument("words", nargs=-1, metavar="[ADDRESS] TOPIC EVENT [JSON|-|@FILE]")
@click.option("--binary", is_flag=True, help="Send the payload as bytes, and not as JSON.")
@APP
@app_dir_option
@LIMIT
@env_file_option
def publish(
    words: tuple[str, ...], target: str | None, app_dir: str, timeout: float, *, binary: bool
) -> None:
    """Send an event to the clients of a topic, on all nodes.

    ADDRESS is the bus of the application: what Endpoint(pubsub=...) has. It contains "://". Without it the variable
    BENNU_PUBSUB has the address. A topic that contains "://" needs the address before it.

    With --app there is no ADDRESS: the endpoint has it. A topic with history needs --app. Otherwise clients that are away never
    get the message.

    The payload is a JSON object, by default {}; - reads it from the standard input, @FILE from a file.

    \b
    bennu publish ipc:///run/chat room:1 news '{"text": "hello"}'
    bennu publish room:1 news @news.json       BENNU_PUBSUB has the address
    bennu publish room:1 image - --binary < cat.png
    bennu publish --app chat.web:app room:1 news '{"text": "hello"}'

    The exit code is 0 if the bus or the store has taken the message, 1 if it has not, and 2 if the command is wrong.
    """
    address, rest = (None, [*words]) if target is not None else _address(words)
    if not 2 <= len(rest) <= 3:
        after, before = ("", "") if target is not None else (" after the address", "ADDRESS ")
        raise click.UsageError(
            f"expected TOPIC EVENT [JSON], got {len(rest)} argument(s){after}:"
            f" write bennu publish {before}room:1 news '{{}}'"
        )
    topic, event, *given = rest
    payload = _payload(given[0] if given else "{}", binary=binary)
    if binary and not given:
        payload = b""

    async def send(publisher: Publisher) -> int | None:
        return await publisher.broadcast(topic, event, payload)

    endpoint = None if target is None else _endpoint(target, app_dir)
    count, where = _run(address, endpoint, timeout, send)
    store = None if endpoint is None else _store_of(endpoint, topic, event)
    if store is not None:
        heard = "" if count is None else f", and {_processes(count)} heard it"
        click.echo(f"{event} was published to {topic}: {store} has it{heard}")
    elif count is None:
        click.echo(f"{event} was published to {topic}: {where} has confirmed it")
    else:
        click.echo(f"{event} was published to {topic}: {_processes(count)} heard it")


@click.command()
@click.argument("words", nargs=-1, metavar="[ADDRESS] ID")
@APP
@app_dir_option
@LIMIT
@env_file_option
def disconnect(words: tuple[str, ...], target: str | None, app_dir: str, timeout: float) -> None:
    """Close all connections that have an id, on all nodes.

    ADDRESS is the bus of the application: what Endpoint(pubsub=...) has. Without it the variable BENNU_PUBSUB has the
    address. With --app there is no ADDRESS: the endpoint has it.

    \b
    bennu disconnect ipc:///run/chat users:7

    The exit code is 0 if the bus has taken the message, 1 if it has not confirmed that, and 2 if the command is wrong.
    """
    address, rest = (None, [*words]) if target is not None else _address(words)
    if len(rest) != 1:
        raise click.UsageError(
            f"expected one ID, got {len(rest)}: write bennu disconnect ADDRESS users:7"
        )
    [name] = rest

    async def send(publisher: Publisher) -> int | None:
        return await publisher.disconnect(name)

    endpoint = None if target is None else _endpoint(target, app_dir)
    count, where = _run(address, endpoint, timeout, send)
    if count is None:
        click.echo(f"{name} is disconnected: {where} has confirmed it")
    else:
        click.echo(f"{name} is disconnected: {_processes(count)} heard it")


def _address(words: tuple[str, ...]) -> tuple[str | None, list[str]]:
    """Return the address, or None if the environment has it; and the other words."""
    if words and ADDRESS.match(words[0]):
        return words[0], [*words[1:]]
    if not os.environ.get(BUS_VARIABLE):
        raise click.UsageError(
            "no bus: write its address first (ipc:///run/chat, redis://cache:6379), or set BENNU_PUBSUB"
        )
    return None, [*words]


def _endpoint(target: str, app_dir: str) -> Endpoint:
    """Import the application of ``--app``, and return its endpoint.

    Raises:
        click.ClickException: The application can't be imported, or has no endpoint or several.
    """
    app = load(target, folder=import_from(app_dir), command="--app")
    found = list(dict.fromkeys(endpoint for endpoint, _ in mounted_endpoints(app)))
    if len(found) == 1:
        return found[0]
    raise click.UsageError(
        f"--app {target}: expected an endpoint, or an application with one endpoint, got {app!r} with {len(found)}:"
        " write the module and the name of the Endpoint itself, --app chat.web:endpoint"
    )


def _store_of(endpoint: Endpoint, topic: str, event: str) -> str | None:
    """Return the name of the store that keeps an event of a topic; None for an event that is not kept."""
    logs = endpoint.pubsub.logs
    return None if logs is None or logs.history_of(topic, event) is None else logs.store.name


def _payload(given: str, *, binary: bool) -> Any:
    """Return the payload: bytes, or JSON as it was written, so that no number changes.

    Raises:
        click.UsageError: The payload can't be read, or is no JSON object.
    """
    try:
        if given == "-":
            data = sys.stdin.buffer.read()
        elif given.startswith("@"):
            data = Path(given[1:]).read_bytes()
        else:
            data = os.fsencode(given)
    except OSError as error:
        raise click.UsageError(f"the payload {given}: {error.strerror}") from error
    if binary:
        return data
    data = data.strip()
    try:
        check_nesting(data)
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, DecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(
            f'the payload is no JSON ({error}): write \'{{"text": "hello"}}\', or send bytes with --binary'
        ) from error
    if not isinstance(value, dict):
        raise click.UsageError("the payload is no JSON object: write '{\"value\": ...}' around it")
    return msgspec.Raw(data)


def _run(
    address: str | None, endpoint: Endpoint | None, timeout: float, work: Work
) -> tuple[int | None, str]:
    """Do something with a publisher. Return the result, and the address without a password.

    Raises:
        click.UsageError: The address, or the message, can't be used.
        click.ClickException: The bus has not confirmed the message, or the store has not taken it.
    """
    _show_log()
    try:
        if endpoint is None:
            publisher = Publisher(address, timeout=timeout)
        else:
            publisher = Publisher.of(endpoint, timeout=timeout)
        count = asyncio.run(_use(publisher, work))
    except NotConfirmed as error:
        text = str(error).replace("Publisher(timeout=...)", "--timeout")
        raise click.ClickException(text) from error
    except StoreUnavailable as error:
        raise click.ClickException(f"{error}: nobody gets the message") from error
    except BennuError as error:
        raise click.UsageError(str(error)) from error
    return count, publisher.address


async def _use(publisher: Publisher, work: Work) -> int | None:
    async with publisher:
        count = await work(publisher)
        if count == 0 and not publisher.nodes():
            click.echo(
                f"No process serves on {publisher.address}: is that the address of Endpoint(pubsub=...)?",
                err=True,
            )
        return count


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


class _Line(logging.Formatter):
    """Formats a record as one line, without a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message."""
        return record.getMessage()


def _show_log() -> None:
    """Write warnings and errors to the standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
