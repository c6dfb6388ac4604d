"""``bennu bench``: loads an endpoint, and shows what it took."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from ..bench.plan import ENGINES, MARK_SIZE, NUMBER, STAMP_SIZE, BenchPlan
from ..bench.result import BenchProgress, BenchResult
from ..bench.table import progress_line, result_json, result_table
from ..errors import BennuError
from .client_options import client_options, url_argument
from .parameters import Seconds, env_file_option

if TYPE_CHECKING:
    from ..bench.engines import BenchEngine

__all__ = ["bench"]

MOST_CLIENTS: Final = 1_000_000
MOST_PAYLOAD: Final = 60_000


def read_payload(context: click.Context, option: click.Parameter, text: str) -> dict[str, Any]:
    """Return the object of ``--payload``.

    Raises:
        click.BadParameter: It is no JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(
            f"expected a JSON object, got {text!r}: {error}", context, option
        ) from error
    if not isinstance(value, dict):
        raise click.BadParameter(f"expected a JSON object, got {text!r}", context, option)
    return value  # pyright: ignore[reportUnknownVariableType] - any JSON


@click.command()
@url_argument
@click.option(
    "--clients",
    "-c",
    default=100,
    show_default=True,
    type=click.IntRange(1, MOST_CLIENTS),
    help="The number of connections.",
)
@click.option(
    "--topic",
    help="The topic that each client joins. {n} in it becomes the number of a topic. Default: none, only heartbeats.",
)
@click.option(
    "--topics",
    type=click.IntRange(1, MOST_CLIENTS),
    help="The number of topics, for a topic with {n}. Default: one for each client.",
)
@click.option("--event", help="The event that each client pushes.")
@click.option(
    "--rate",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 100_000, min_open=True),
    help="How often each client pushes, by the second.",
)
@click.option(
    "--seconds",
    "-s",
    default=10.0,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="How long the clients push.",
)
@click.option(
    "--payload-size",
    default=60,
    show_default=True,
    type=click.IntRange(STAMP_SIZE, MOST_PAYLOAD),
    help="Characters of the text in the payload.",
)
@click.option(
    "--field", default="body", show_default=True, help="The field of the payload with the text."
)
@click.option(
    "--payload",
    default="{}",
    metavar="JSON",
    callback=read_payload,
    help="More fields of the payload, if the handler needs them.",
)
@click.option(
    "--broadcast",
    is_flag=True,
    help="The handler broadcasts the text: measure each delivery by the stamp in it.",
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    type=click.Choice(ENGINES),
    help="The generator in C, or the Python client. auto takes C if it can run the load.",
)
@client_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for tools.")
@env_file_option
def bench(
    url: str,
    clients: int,
    topic: str | None,
    topics: int | None,
    event: str | None,
    rate: float,
    seconds: float,
    payload_size: int,
    field: str,
    payload: dict[str, Any],
    engine: str,
    params: dict[str, str],
    token: str | None,
    vsn: str,
    transport: str,
    *,
    broadcast: bool,
    as_json: bool,
) -> None:
    """Load an endpoint with many clients, and show how long its answers take.

    All clients connect, and join their topic. Then each client pushes --rate times a second. Without --topic the clients send
    heartbeats, which every socket answers.

    \b
    bennu bench ws://localhost:4000/socket
    bennu bench ws://localhost:4000/socket --topic room:1 --event say --broadcast
    bennu bench ws://localhost:4000/socket -c 1000 --topic 'room:{n}' --event echo

    Ctrl-C ends the load early, and prints the table of what was measured.

    The exit code is 0 if nothing failed, 1 if a connect, a join or a push failed or was refused, a client was lost, or the run
    was interrupted, and 2 if an option is wrong.
    """
    if (topic is None) != (event is None):
        raise click.UsageError(
            "--topic and --event belong together: write --topic room:1 --event new_msg, or neither for heartbeats"
        )
    if topic is None and broadcast:
        raise click.UsageError(
            "--broadcast needs a handler: write --topic room:1 --event new_msg --broadcast"
        )
    if topics is not None and NUMBER not in (topic or ""):
        raise click.UsageError(
            f"--topics {topics} needs {NUMBER} in the topic: write --topic 'room:{NUMBER}'"
        )
    plan = BenchPlan(
        url=url,
        clients=clients,
        topic=topic,
        topics=(topics or clients) if topic is not None and NUMBER in topic else 1,
        event=event or "",
        rate=rate,
        seconds=seconds,
        mark=f"bench-{secrets.token_hex((MARK_SIZE - 6) // 2)}",
        payload=payload,
        name=field,
        size=payload_size,
        hears=broadcast,
        params=params,
        token=token,
        vsn=vsn,
        transport=transport,
    )
    # A server does not need the client.
    from ..bench.engines import EngineUnavailable, choose_engine  # noqa: PLC0415
    from ..bench.limits import TooManyClients, raise_limits  # noqa: PLC0415

    line = _ProgressLine(plan)
    try:
        chosen = choose_engine(engine, plan, line.show, lambda text: click.echo(text, err=True))
        raise_limits(clients, urlsplit(url).hostname or "", engine=chosen.name)
    except (EngineUnavailable, TooManyClients) as error:
        raise click.UsageError(str(error)) from error
    try:
        result = _run(chosen)
    except BennuError as error:
        raise click.ClickException(str(error)) from error
    finally:
        line.clear()
    click.echo(json.dumps(result_json(result, plan)) if as_json else result_table(result, plan))
    sys.exit(0 if result.is_clean(hears=broadcast) else 1)


class _ProgressLine:
    """The line in a terminal that is written again and again. Elsewhere there is none."""

    def __init__(self, plan: BenchPlan) -> None:
        self._plan = plan
        self._is_shown = sys.stderr.isatty()

    def show(self, progress: BenchProgress) -> None:
        if self._is_shown:
            click.echo(f"\r\x1b[K{progress_line(progress, self._plan)}", err=True, nl=False)

    def clear(self) -> None:
        if self._is_shown:
            click.echo("\r\x1b[K", err=True, nl=False)


def _run(engine: BenchEngine) -> BenchResult:
    """Run the engine, on the fastest event loop there is, until its end or Ctrl-C."""

    async def run() -> BenchResult:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signal.SIGINT, stop.set)
        return await engine.run(stop)

    loop_factory = None
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - it is not there on Windows

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(run())
