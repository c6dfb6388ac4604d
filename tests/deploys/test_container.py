"""The Dockerfile of docs/deploys.md, linted, and run as far as that is possible without Docker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import children, is_alive, worker_number
from tests.support.pages import ROOT, blocks
from tests.support.until import until

from .container import Container
from .proxies import FILES

DOCKERFILE = FILES / "Dockerfile"


def test_hadolint_has_no_complaint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("no hadolint: run scripts/install")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of Bennu."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    done = subprocess.run(
        [*pip, "-w", folder, ROOT], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    with tempfile.TemporaryDirectory(prefix="container-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


def can_make_namespaces() -> bool:
    if os.geteuid() != 0 or shutil.which("nsenter") is None:
        return False
    command = [
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "mount",
        "-t",
        "tmpfs",
        "none",
        "/mnt",
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def container(folder: Path, wheel: Path) -> Container:
    """A container that is built, with the application of the page."""
    if not can_make_namespaces():
        pytest.skip("this needs root on Linux, and namespaces")
    container = Container(DOCKERFILE.read_text(), folder, blocks("docs/deploys.md")[0], wheel)
    container.build()
    return container


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_the_command_serves_is_healthy_and_stops(container: Container) -> None:
    """``bennu`` is the first process and has no privileges. The health check succeeds until its end."""
    await container.start()
    try:
        await container.until_healthy()
        status = container.status()
        assert status["NSpid"] == f"{container.pid} 1"
        assert (status["Uid"], status["Gid"]) == ("10001 10001 10001 10001",) * 2
        assert (status["Groups"], status["CapEff"]) == ("", "0" * 16)
        assert await container.stop() == 0
    finally:
        await container.kill()
    assert await container.check() != 0
    assert any("running on http://0.0.0.0:4000" in line for line in container.lines)
    assert not [line for line in container.lines if "Traceback" in line or "ERROR" in line]


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_the_first_process_can_be_a_supervisor(container: Container) -> None:
    """WEB_CONCURRENCY is the number of workers. Killed workers are replaced, and orphans do not stay as zombies."""
    await container.start(WEB_CONCURRENCY="2")
    try:
        await container.until_said("with 2 workers")
        before = workers(container)
        assert before.keys() == {1, 2}
        await container.run("sh", "-c", "sleep 0 & exec true")
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        old = {*before.values()}
        await until(lambda: not old & {*workers(container).values()})
        await until(lambda: workers(container).keys() == {1, 2})
        await container.until_healthy()
        await until(lambda: {*children(container.pid)} == {*workers(container).values()})
        assert await container.stop() == 0
    finally:
        await container.kill()
    assert not [line for line in container.lines if "Traceback" in line]


def workers(container: Container) -> dict[int, int]:
    """Return the process ids of the workers, by their numbers."""
    found = {worker_number(pid): pid for pid in children(container.pid) if is_alive(pid)}
    return {number: pid for number, pid in found.items() if number is not None}
