"""Ten thousand clients at once, with the load generator of the benchmarks."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import bennu

ROOT = Path(__file__).parent.parent.parent
WSLOAD = ROOT / "benchmarks" / ".build" / "wsload"

pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.clock("real")]


@pytest.fixture(scope="module", autouse=True)
def _generator() -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler for the load generator")
    subprocess.run([ROOT / "benchmarks" / "build"], check=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def load(*options: str) -> dict[str, Any]:
    """Put load on a new server; return the counts of the generator."""
    async with bennu(
        ROOT, "benchmarks.endpoint:endpoint", "--port", "0", "--no-access-log"
    ) as server:
        where = await server.listening()
        assert server.process.stdout is not None
        # The server logs each connect, and would block if its output were not read.
        log = asyncio.create_task(server.process.stdout.read())
        process = await asyncio.create_subprocess_exec(
            WSLOAD, "--port", str(where.port), *options, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        log.cancel()
        await asyncio.wait([log])
    assert process.returncode == 0
    counted: dict[str, Any] = json.loads(output)
    return counted


async def test_ten_thousand_join_and_stay() -> None:
    """Each client is still connected at the end."""
    counted = await load("--mode", "hold", "--conns", "10000", "--secs", "5")
    assert counted["still"] == counted["conns"] == 10_000


async def test_a_broadcast_reaches_ten_thousand() -> None:
    """Every broadcast is delivered to every client."""
    counted = await load(
        *("--mode", "fanout", "--conns", "10000", "--secs", "10", "--rate", "5", "--drain", "30")
    )
    assert counted["expected"] >= 10_000 * 40
    assert (counted["undelivered"], counted["errors"], counted["dead"]) == (0, 0, 0)
