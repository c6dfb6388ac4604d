"""``bennu demo``: the list, and a demo with its page."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import pytest

from bennu_demos.catalog import DEMOS
from tests.generators.project import call
from tests.support.brokers.processes import free_ports
from tests.support.until import pause

from .command import children, is_alive

OPENER = """\
#!/bin/sh
echo "$1" > "$(dirname "$0")/opened"
"""
"""A browser that says what it was to open."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_without_a_name_it_lists_all_demos() -> None:
    output = call("demo")
    for one in DEMOS:
        assert f"  {one.name} " in output
        assert one.title in output
    assert output.endswith("Run one of them: bennu demo chat. Run all: bennu demo all.\n")


def test_each_demo_is_told_in_two_sentences() -> None:
    assert [one.name for one in DEMOS if one.text.count(". ") != 1 or one.text[-1] != "."] == []


def test_an_unknown_demo_is_refused_with_those_that_there_are() -> None:
    assert "there is no demo 'poker': chat, ticker," in call("demo", "poker", code=2)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bennu.cli.demo.find_spec", lambda name: None if name == "pycrdt" else object()
    )
    said = call("demo", "chat", code=1)
    assert "the demos need pycrdt: install them with pip install 'bennu[demo]'" in said


@contextmanager
def running(*arguments: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command, which ends as by Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bennu", "demo", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        yield process
    finally:
        process.terminate()
        _, said = process.communicate(timeout=50)
    assert process.returncode == 0, said
    assert "Traceback" not in said, said


def test_a_demo_opens_its_page(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(OPENER)
    browser.chmod(0o755)
    os.mkfifo(tmp_path / "opened")
    port, data = free_port(), tmp_path / "data"
    with running(
        "chat", "--port", str(port), "--data", str(data), env={"BROWSER": f"{browser} %s"}
    ):
        url = (tmp_path / "opened").read_text().strip()  # waits until the browser writes
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own
            assert b"<title>Bennu chat" in answer.read()
    assert url == f"http://127.0.0.1:{port}/"
    assert [*data.rglob("*.db")]


def free_row(count: int) -> int:
    """Return the first of so many free ports in a row."""
    while True:
        [first] = free_ports(1)
        with suppress(OSError):
            for port in range(first + 1, first + count):
                socket.create_server(("127.0.0.1", port)).close()
            return first


def load(url: str) -> bytes:
    with closing(urllib.request.urlopen(url, timeout=20)) as answer:  # noqa: S310 - our own
        body: bytes = answer.read()
        return body


async def page_of(url: str) -> str:
    """Return a page as soon as its server listens: ten that start at once take their time."""
    async with asyncio.timeout(120):
        while True:
            with suppress(URLError):
                return (await asyncio.to_thread(load, url)).decode()
            await pause()


@pytest.mark.long
@pytest.mark.clock("real")
@pytest.mark.timeout(300)
async def test_all_demos_run_beside_a_page_that_leads_to_them(tmp_path: Path) -> None:
    """Each is where the page says. They end with the command."""
    first = free_row(1 + len(DEMOS))
    home = f"http://127.0.0.1:{first}/"
    with running("all", "--no-browser", "--port", str(first), "--data", str(tmp_path)) as command:
        assert "<title>Bennu demos</title>" in await page_of(home)
        listed = json.loads(await page_of(f"{home}demos.json"))
        assert [(one["name"], one["title"], one["text"]) for one in listed] == [
            (one.name, one.title, one.text) for one in DEMOS
        ]
        pages = [await page_of(f"http://127.0.0.1:{one['port']}/") for one in listed]
        titles = [page.partition("<title>")[2].partition("</title>")[0] for page in pages]
        assert all(titles)
        assert len(set(titles)) == len(DEMOS)
        for one in DEMOS:
            assert await asyncio.to_thread(load, f"{home}pictures/{one.name}.png")
        demos = children(command.pid)
        assert len(demos) >= len(DEMOS)
    assert [pid for pid in demos if is_alive(pid)] == []
    for port in range(first, first + 1 + len(DEMOS)):
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [
                *(sys.executable, "-m", "bennu", "demo", "chat", "--no-browser"),
                *("--port", port, "--data", str(tmp_path)),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.returncode != 0
    assert port in done.stderr
    assert "Traceback" not in done.stderr
