"""``bennu top``: shows an endpoint live in the terminal."""

from __future__ import annotations

import asyncio
import sys

import click

from ..errors import DefinitionError
from .parameters import Seconds, env_file_option

__all__ = ["top"]


@click.command()
@click.argument("url")
@click.option(
    "--interval",
    "-i",
    default=2.0,
    show_default=True,
    type=Seconds(min=0.1),
    help="Seconds between two reads of the metrics.",
)
@click.option("--once", is_flag=True, help="Print the figures of one interval, and end.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one line of JSON for each interval, for tools."
)
@click.option(
    "--token",
    envvar="BENNU_METRICS_TOKEN",
    show_envvar=True,
    help="The token of Endpoint(metrics=Metrics(token=...)).",
)
@env_file_option
def top(url: str, interval: float, token: str | None, *, once: bool, as_json: bool) -> None:
    """Show the metrics of an endpoint live: clients, messages, times, queues, losses.

    URL is that of the server, or of its metrics if they have another path than /metrics. The endpoint needs
    Endpoint(metrics="/metrics").

    \b
    bennu top http://localhost:4000
    bennu top http://localhost:4000 --once --json
    bennu top https://chat.example.com/app/metrics --token ...

    The key s changes the order of the events and topics, and the key q quits. If the output is not a terminal, each interval is
    printed as text.

    The exit code is 0 after q, Ctrl-C or --once, 1 if the metrics can't be read, and 2 if an option is wrong.
    """
    try:
        from ..top import NoMetrics, Scraper, run_live, run_once, run_plain  # noqa: PLC0415
    except ImportError as error:
        raise click.ClickException(
            f"bennu top needs two packages ({error}): pip install 'bennu[top]'"
        ) from error
    try:
        scraper = Scraper(url, token)
    except DefinitionError as error:
        raise click.UsageError(
            f"expected {error.expected}, got {error.got}: write bennu top {error.write}"
        ) from error
    if once:
        run = run_once(scraper, interval, as_json=as_json)
    elif as_json or not sys.stdout.isatty():
        run = run_plain(scraper, interval, as_json=as_json)
    else:
        run = run_live(scraper, interval)
    try:
        asyncio.run(run)
    except NoMetrics as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        pass
