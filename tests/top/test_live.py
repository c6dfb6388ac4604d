"""Each interval is printed for scripts. ``tests/cli/test_top.py`` has the screen of a terminal."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest

from bennu.top import NoMetrics, Scraper, run_once, run_plain

from ..support.until import until
from .answers import METRICS, answering

pytestmark = pytest.mark.clock("real")

GONE = b"HTTP/1.0 404 Not Found\r\n\r\n"


async def printed(
    url: str, heard: list[bytes], capsys: pytest.CaptureFixture[str], *, count: int, as_json: bool
) -> tuple[str, str]:
    """Return both outputs of a command that has asked so often."""
    running = asyncio.ensure_future(run_plain(Scraper(url), 0.01, as_json=as_json))
    await until(lambda: len(heard) > count)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return capsys.readouterr()


async def test_each_interval_is_a_block_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    async with answering(METRICS) as (url, heard):
        out, errors = await printed(url, heard, capsys, count=4, as_json=False)
    blocks = out.split("\n\nclients ")
    assert len(blocks) >= 2
    assert all("2 workers" in block for block in blocks)
    assert errors == ""


async def test_a_failed_answer_is_told_and_asked_for_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with answering(METRICS, GONE, METRICS) as (url, heard):
        out, errors = await printed(url, heard, capsys, count=3, as_json=True)
    assert json.loads(out.splitlines()[0])["workers"] == 2
    assert errors.count("is not found (404)") == 1


@pytest.mark.parametrize("as_json", [True, False])
async def test_one_interval(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    async with answering(METRICS) as (url, heard):
        await run_once(Scraper(url), 0.01, as_json=as_json)
    assert len(heard) == 2
    out, _ = capsys.readouterr()
    assert ('"workers": 2' if as_json else "2 workers") in out


async def test_the_first_answer_must_have_metrics() -> None:
    async with answering(GONE) as (url, _):
        for run in (run_once, run_plain):
            with pytest.raises(NoMetrics):
                await run(Scraper(url), 0.01, as_json=False)
