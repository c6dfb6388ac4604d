"""In CI a browser or interop test that is skipped is a failure: it would hide that nothing was tested."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# How many examples a property test tries; scripts/test-all asks for the long profile. What
# any bytes at all do is left to tests/fuzz, which feeds millions.
settings.register_profile("default", deadline=None)  # no test depends on how fast the machine is
settings.register_profile("long", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def _no_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine anything may take 0.1 s; tests/_runtime/test_watch.py has a watch of its own."""
    monkeypatch.setattr("bennu._runtime.runtime.HOLD_LIMIT", None)


_NEVER_SKIPPED = ("browser", "interop")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        config.pluginmanager.register(_NoSkips(), "no-skips")


class _NoSkips:
    """Collects such skips, and makes the session fail for them."""

    def __init__(self) -> None:
        self.skips: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        never = any(marker in report.keywords for marker in _NEVER_SKIPPED)
        if never and report.skipped and not hasattr(report, "wasxfail"):
            self._add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # A module that skips itself as a whole has no markers: its folder tells.
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
