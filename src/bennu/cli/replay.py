"""``bennu replay``: a recorded session against a server, or as a test."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ..client.errors import ConnectFailed
from ..errors import BennuError, DecodeError, DefinitionError
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
    help="Values that are not compared: id, body.id, *.id.",
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
    help="The value for a key that is hidden in payloads: password=...",
)
@click.option(
    "--token",
    envvar="BENNU_TOKEN",
    show_envvar=True,
    help="The auth token: authToken of phoenix.js 1.8.",
)
@click.option(
    "--timeout",
    default=5.0,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="The most seconds for each answer.",
)
@click.option(
    "--pytest", "as_test", is_flag=True, help="Write a test of the session instead of replaying it."
)
@click.option(
    "--app", metavar="MODULE:ENDPOINT", help="With --pytest: the endpoint that the test imports."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    help="With --pytest: the file of the test. Default: the standard output.",
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

    FILE is a recording. The inspector of the dashboard saves one, and so does endpoint.inspector.record_next(FILE). URL is that
    of the server or of the socket.

    \b
    bennu replay session.jsonl ws://localhost:4000/socket --param token=...
    bennu replay session.jsonl --pytest --app app:endpoint --out test_it.py

    The replay sends what the client sent, waits for each reply that the client had waited for, and prints each difference
    in what the server sends. docs/inspector.md explains the file and the test.

    The exit code is 0 if there is no difference or the test is written, 1 if there is a difference, and 2 if the command is
    wrong or the server can't be reached.
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
    try:
        target = target_of(url, recording, params=dict(params), token=token, timeout=timeout)
    except DefinitionError as error:
        raise click.UsageError(
            f"expected {error.expected}, got {error.got}: write bennu replay {file} ws://localhost:4000/socket"
        ) from error
    for warning in _warnings(recording, {name for name, _ in params}, {key for key, _ in values}):
        click.echo(warning, err=True)
    comparison = Comparison(recording, ignored, events)
    replaying = Replay(recording, comparison, values=dict(values), is_fast=fast, timeout=timeout)
    try:
        asyncio.run(replaying.run(target))
    except (ConnectFailed, BennuError) as error:
        raise click.UsageError(str(error)) from error
    differences = comparison.finish()
    for one in differences:
        click.echo(printable(str(one)) if "\n" not in str(one) else str(one))
    click.echo(f"Messages compared: {comparison.compared}, differences: {len(differences)}")
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


def _warnings(recording: Recording, params: set[str], keys: set[str]) -> list[str]:
    """Return what can make the replay differ from the session.

    Args:
        recording: The recording.
        params: The params that are given in place of recorded ones.
        keys: The keys of payloads whose hidden values are given.
    """
    found: list[str] = []
    options = [f"--param {name}=..." for name in recording.hidden_params if name not in params]
    options += [f"--set {key}=..." for key in recording.hidden_keys if key not in keys]
    if options:
        found.append(f"Hidden values are sent as [FILTERED]. To send others: {' '.join(options)}")
    if recording.header.joined:
        found.append(
            f"The recording has no joins of {', '.join(recording.header.joined)}: they are joined with an empty payload"
        )
    if recording.lost:
        found.append(f"Frames that are missing in the recording: {recording.lost}")
    return found
