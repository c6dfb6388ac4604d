"""Configures all tests. In CI a browser or interop test that is skipped is a failure: it would hide a missing test."""

from __future__ import annotations

import gc
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

from bennu.testing.clock import VIRTUAL_TIME

# The number of examples of a property test. By default they are the same in each run, so that a change is judged by itself;
# scripts/test-all uses the long profile, whose examples are new. Tests of arbitrary bytes are in tests/fuzz.
settings.register_profile("default", max_examples=25, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def _no_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn off the watch of the event loop: on a busy machine any call can take 0.1 s."""
    monkeypatch.setattr("bennu.server.server.HOLD_LIMIT", None)


# The event loop of the asynchronous tests: in virtual time, unless a test uses something real.
# A module can say otherwise: `pytestmark = pytest.mark.clock("real")`. Of "both loops" CI runs uvloop, which
# `bennu run` uses; asyncio's own loop has its turn in scripts/test-all.
_CLOCKS: Final[dict[str, list[Any]]] = {
    "virtual": [VIRTUAL_TIME],
    "real": ["asyncio"],
    "both loops": [
        pytest.param(("asyncio", {"use_uvloop": False}), marks=pytest.mark.long),
        ("asyncio", {"use_uvloop": True}),
    ],
}
_CLOCK_OF_FOLDER: Final = {
    "cli": "both loops",
    "cluster": "real",
    "deploys": "real",
    "demos": "real",
    "hostile": "real",
    "interop": "real",
    "transports": "both loops",
    "wire": "real",
}
_TESTS: Final = Path(__file__).parent


@pytest.fixture(scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """The event loop of an asynchronous test."""
    return request.param


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "anyio_backend" not in metafunc.fixturenames:
        return
    if any(
        "anyio_backend" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")
    ):
        return
    folder = metafunc.definition.path.relative_to(_TESTS).parts[0]
    mark = metafunc.definition.get_closest_marker("clock")
    clock = mark.args[0] if mark else _CLOCK_OF_FOLDER.get(folder, "virtual")
    loops = _CLOCKS[clock]
    ids = ["asyncio"] if len(loops) == 1 else ["asyncio", "uvloop"]
    metafunc.parametrize("anyio_backend", loops, indirect=True, ids=ids, scope="module")


_NEVER_MEASURED: Final = {
    "autobahn",
    "cluster",
    "deploys",
    "demos",
    "faults",
    "fuzz",
    "hostile",
    "interop",
    "recovery",
    "test_conformance.py",
    "test_layout.py",
    "test_patterns.py",
    "test_readme.py",
}
"""Folders and modules whose tests run no code that others do not run: to measure them would double their time."""

_ALSO_MEASURED: Final = (
    *("auth", "client", "contracts", "history", "inspect", "phoenix", "protocol"),
    "store/redis/test_names.py",
)
"""Folders and modules whose tests are measured with those of the pure floors, because they cover a part of them."""


@cache
def _pure_modules() -> list[Path]:
    """Return the modules of the pure floors, below src/bennu."""
    lines = (_TESTS / "pure_floors.txt").read_text().split()
    return [Path(line).relative_to("src/bennu") for line in lines]


@cache
def _is_measured(path: Path) -> bool:
    """Return whether the coverage of a test module is measured: in CI only if it belongs to a module of the pure floors."""
    place = path.relative_to(_TESTS)
    if place.parts[0] in _NEVER_MEASURED:
        return False
    if os.environ.get("BENNU_COVERAGE") == "all" or any(map(place.is_relative_to, _ALSO_MEASURED)):
        return True
    for module in _pure_modules():
        tests = module.parent / f"test_{module.stem}*.py"
        if place.is_relative_to(module.parent) if module.name == "*" else place.match(str(tests)):
            return True
    return False


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Run only one part of the modules, if the variable BENNU_PART says ``measured`` or ``rest``: see scripts/test."""
    part = os.environ.get("BENNU_PART")
    if part is None or not collection_path.match("test_*.py"):
        return None
    return True if _is_measured(collection_path) is not (part == "measured") else None


def pytest_collection_finish() -> None:
    """Leave the tests themselves, some ten thousand objects, out of each later collection of garbage."""
    gc.freeze()
    gc.enable()


_NEVER_SKIPPED = ("browser", "interop")


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all tests are collected: nothing that is made meanwhile is garbage
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        config.pluginmanager.register(_NoSkips(), "no-skips")


class _NoSkips:
    """Collects skipped browser and interop tests, and makes the session fail for them."""

    def __init__(self) -> None:
        self.skips: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        never = any(marker in report.keywords for marker in _NEVER_SKIPPED)
        if never and report.skipped and not hasattr(report, "wasxfail"):
            self._add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # A module that skips itself as a whole has no markers; its folder is used instead.
        if report.skipped and any(f"/{name}/" in report.nodeid for name in _NEVER_SKIPPED):
            self._add(report)

    def _add(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        self.skips.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skips and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skips:
            terminalreporter.section("skipped, which CI does not allow", red=True)
            for skip in self.skips:
                terminalreporter.line(skip)
