"""Runs the suite against ``bennu run``, and judges its report: scripts/autobahn runs this module."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from tests.cli.command import Command, bennu
from tests.support.servers import Server

from .cases import COMPRESSION, CORE, QUICK
from .judging import judge, tally

__all__ = ["main"]

ROOT: Final = Path(__file__).parents[2]


class Run(NamedTuple):
    """A part of the suite: its cases, and the path of the server."""

    name: str
    path: str
    cases: Collection[str]


QUICK_RUNS: Final = (Run("plain", "/plain", QUICK),)
ALL_RUNS: Final = (Run("plain", "/plain", CORE), Run("compressed", "/compressed", COMPRESSION))


def main(arguments: Sequence[str]) -> int:
    """Run the suite; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/autobahn", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the sections 9, 12 and 13")
    parser.add_argument(
        "--only", nargs="+", metavar="CASE", help="these cases, such as 9.1.6 12.1.1"
    )
    parser.add_argument("--wstest", type=Path, required=True, help="the suite's command")
    parser.add_argument(
        "--reports",
        type=Path,
        default=ROOT / "test-results" / "autobahn",
        help="where its reports go; what is there is deleted",
    )
    options = parser.parse_args(arguments)
    shutil.rmtree(options.reports, ignore_errors=True)
    options.reports.mkdir(parents=True)
    runs = chosen(options.only) if options.only else QUICK_RUNS if options.quick else ALL_RUNS
    findings = asyncio.run(run_all(runs, options.wstest.absolute(), options.reports.absolute()))
    for finding in findings:
        click.secho(f"!! {finding}", fg="red", err=True)
    if findings:
        click.echo(f"{len(findings)} not as they should be; reports: {options.reports}")
        return 1
    return 0


def chosen(cases: Sequence[str]) -> Sequence[Run]:
    """Return the parts with only these cases.

    Raises:
        SystemExit: There is no such case.
    """
    unknown = [case for case in cases if case not in CORE and case not in COMPRESSION]
    if unknown:
        raise SystemExit(f"the suite has no such case: {', '.join(unknown)}")
    runs = [run._replace(cases=[case for case in cases if case in run.cases]) for run in ALL_RUNS]
    return [run for run in runs if run.cases]


async def run_all(runs: Sequence[Run], wstest: Path, reports: Path) -> list[str]:
    """Start the server and run the parts one after another; return the faults."""
    findings: list[str] = []
    options = ("tests.autobahn.endpoint:endpoint", "--port", "0", "--no-access-log")
    async with bennu(ROOT, *options) as command:
        server = await command.listening()
        draining = asyncio.create_task(drain(command))
        for run in runs:
            results = await run_suite(run, server, wstest, reports / run.name)
            click.echo(f"{run.name}: {len(run.cases)} cases, {tally(results)}")
            findings += [f"{run.name} {finding}" for finding in judge(results, run.cases)]
        draining.cancel()
        await asyncio.wait([draining])
    return findings


async def drain(command: Command) -> None:
    """Read the server's log, which is large: else the server would block."""
    assert command.process.stdout is not None
    while await command.process.stdout.read(65536):
        pass


async def run_suite(
    run: Run, server: Server, wstest: Path, reports: Path
) -> Mapping[str, Mapping[str, Any]]:
    """Run a part of the suite; return the result of each case."""
    spec = write_spec(run, server, reports)
    process = await asyncio.create_subprocess_exec(
        *(str(wstest), "-m", "fuzzingclient", "-s", str(spec)),
        cwd=reports,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await show_progress(process, len(run.cases))
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    return read_report(run, reports)


def write_spec(run: Run, server: Server, reports: Path) -> Path:
    """Write the specification file of the suite."""
    reports.mkdir()
    spec = {
        "outdir": str(reports),
        "servers": [{"agent": run.name, "url": server.url(run.path)}],
        "cases": list(run.cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    path = reports / "spec.json"
    path.write_text(json.dumps(spec))
    return path


def read_report(run: Run, reports: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the suite's result of each case; nothing if there is no report."""
    index = reports / "index.json"
    if not index.exists():
        return {}
    results: Mapping[str, Mapping[str, Any]] = json.loads(index.read_text()).get(run.name, {})
    return results


async def show_progress(process: asyncio.subprocess.Process, total: int) -> None:
    """Show the running case, on a terminal."""
    assert process.stdout is not None
    done = 0
    while line := await process.stdout.readline():
        if line.startswith(b"Running test case ID"):
            done += 1
            if sys.stdout.isatty():
                click.echo(f"\r{done}/{total}: {line.split()[4].decode()}    ", nl=False)
    if sys.stdout.isatty():
        click.echo("\r" + " " * 40 + "\r", nl=False)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
