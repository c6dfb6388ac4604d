"""``bennu replay``: a recorded session against a server, or as a test."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ..client.errors import ConnectFailed
from ..errors import BennuError, DecodeError
from ..inspect.comparison import Comparison, Ignored
from ..inspect.pytest_module import pytest_module
from ..inspect.recording import Recording
from ..logs.printable import printable
from .parameters import NAMED_VALUE, READABLE, Seconds
from .replaying import Replay, target_of

__all__ = ["replay"]


@click.command()
@click.argument("file", type=READABLE)
@click.argument("url", required=False)
@click.option("--fast", is_flag=True, help="Send without the recorded pauses.")
@click.option(
    "--ignore",
    "paths",
    multiple=True,
    metavar="PATH",
    help="Values that are not compared: id, body.id.",
)
@click.option(
    "--ignore-event",
    "events",
    multiple=True,
    metavar="EVENT",
    help="An event of the server that is not compared.",
)
@click.option(
    "--param",
    "params",
    multiple=True,
    type=NAMED_VALUE,
    help="A parameter of the connect, in place of the recorded one.",
)
@click.option(
    "--set",
    "values",
    multiple=True,
    type=NAMED_VALUE,
    help="The value for a key that was hidden in a payload: password=...",
)
@click.option(
    "--token", envvar="BENNU_TOKEN", show_envvar=True, help="The auth token of the connect."
)
@click.option(
    "--timeout",
    default=5.0,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="The most seconds for each answer.",
)
@click.option("--pytest", "as_test", is_flag=True, help="Write a test of the session instead.")
@click.option("--app", metavar="MODULE:ENDPOINT", help="The endpoint of the test.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    help="The file of the test. Default: the standard output.",
)
def replay(
    file: str,
    url: str | None,
    paths: tuple[str, ...],
    events: tuple[str, ...],
    params: tuple[tuple[str, str], ...],
    values: tuple[tuple[str, str], ...],
    token: str | None,
    timeout: float,
    app: str | None,
    out: str | None,
    *,
    fast: bool,
    as_test: bool,
) -> None:
    """Replay a recorded session against a server, or write it as a test.

    FILE is a recording: endpoint.inspector.record_next("session.jsonl") makes one. URL is the server or the socket.

    \b
    bennu replay session.jsonl ws://localhost:4000/socket --ignore id --param token=...
    bennu replay session.jsonl --pytest --app my_app:endpoint --out tests/test_session.py

    The replay sends what the client sent, waits for each reply that the client had waited for, and prints each difference
    in what the server sends. docs/inspector.md explains the file and the test.

    The exit code is 0 without a difference or if the test is written, 1 with a difference, and 2 if the command is wrong or
    the server can't be reached.
    """
    try:
        recording = Recording.read(Path(file).read_bytes().splitlines())
    except DecodeError as error:
        raise click.UsageError(f"{file}: {error}") from error
    ignored = Ignored(paths)
    if as_test:
        if url is not None or app is None or ":" not in app:
            raise click.UsageError(
                "--pytest takes an endpoint and no URL: write --pytest --app my_app:endpoint"
            )
        _write(recording, file, app, out, ignored, events, dict(params))
        return
    if url is None or app is not None or out is not None:
        raise click.UsageError(
            f"expected a URL: write bennu replay {file} ws://localhost:4000/socket, or --pytest --app MODULE:ENDPOINT"
        )
    for warning in _warnings(recording, {name for name, _ in (*params, *values)}):
        click.echo(warning, err=True)
    comparison = Comparison(recording, ignored, events)
    replaying = Replay(recording, comparison, values=dict(values), is_fast=fast, timeout=timeout)
    try:
        target = target_of(url, recording, params=dict(params), token=token, timeout=timeout)
        asyncio.run(replaying.run(target))
    except (ConnectFailed, BennuError) as error:
        raise click.UsageError(str(error)) from error
    differences = comparison.finish()
    for one in differences:
        click.echo(printable(str(one)) if "\n" not in str(one) else str(one))
    count = comparison.compared
    click.echo(f"{count} message(s) compared, {len(differences)} difference(s)")
    if differences:
        raise SystemExit(1)


def _write(
    recording: Recording,
    file: str,
    app: str,
    out: str | None,
    ignored: Ignored,
    events: tuple[str, ...],
    params: dict[str, str],
) -> None:
    """Write the test.

    Raises:
        click.UsageError: The recording can't become a test, or the file can't be written.
    """
    try:
        source = pytest_module(
            recording,
            app=app,
            source=Path(file).name,
            ignored=ignored,
            events=events,
            params=params,
        )
        if out is None:
            click.echo(source, nl=False)
            return
        Path(out).write_text(source)
    except (BennuError, OSError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"{out} is written: run pytest {out}")


def _warnings(recording: Recording, given: set[str]) -> list[str]:
    """Return what can make the replay differ from the session."""
    found: list[str] = []
    if recording.hidden and not given:
        found.append(
            f"Hidden values are sent as [FILTERED]: {', '.join(recording.hidden)}. Write --param token=... for a param, and"
            " --set password=... for a key of a payload"
        )
    if recording.header.joined:
        found.append(
            f"The recording has no joins of {', '.join(recording.header.joined)}: they are joined with an empty payload"
        )
    if recording.lost:
        found.append(f"The recording lacks {recording.lost} frame(s): the recorder was too slow")
    return found
