"""``bennu demo``: the list, and a demo with its page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bennu_demos.catalog import DEMOS
from tests.generators.project import call

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
