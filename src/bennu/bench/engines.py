"""Which engine runs a plan."""

from __future__ import annotations

import sys
from asyncio import Event
from collections.abc import Callable
from typing import Protocol

from ..client.urls import SocketURL
from ..errors import BennuError
from .c_engine import CEngine, CompileFailed, compiled, compiler
from .plan import BenchPlan
from .python_engine import PythonEngine
from .result import BenchProgress, BenchResult

__all__ = ["BenchEngine", "EngineUnavailable", "choose_engine", "why_not_c"]


class EngineUnavailable(BennuError):
    """The engine that was asked for can't run the plan."""


class BenchEngine(Protocol):
    """Runs a plan."""

    @property
    def name(self) -> str:
        """``C`` or ``Python``."""
        ...

    async def run(self, stop: Event) -> BenchResult:
        """Run the plan, until its end or until ``stop`` is set. Return the result."""
        ...


def why_not_c(plan: BenchPlan, *, platform: str, cc: str | None) -> str | None:
    """Return why the C engine can't run a plan; None if it can.

    Args:
        plan: The plan.
        platform: ``sys.platform``.
        cc: The C compiler; None without one.
    """
    if plan.transport != "websocket":
        return "it has no long polling"
    if plan.vsn != "2.0.0":
        return "it speaks vsn 2.0.0 alone"
    if SocketURL(plan.url).is_secure:
        return "it has no TLS: measure ws://, behind the proxy that ends TLS"
    if platform != "linux":
        return f"it needs Linux, and this is {platform}"
    if cc is None:
        return "there is no C compiler: install gcc or clang, or set CC"
    return None


def choose_engine(
    wanted: str,
    plan: BenchPlan,
    tell: Callable[[BenchProgress], None],
    say: Callable[[str], None],
) -> BenchEngine:
    """Return the engine for a plan.

    Args:
        wanted: ``auto``, ``c`` or ``python``. ``auto`` takes the C engine if it can run the plan.
        plan: The plan.
        tell: Gets the progress of the run.
        say: Gets lines on the choice.

    Raises:
        EngineUnavailable: ``c`` is wanted, and can't run the plan.
    """
    if wanted == "python":
        return PythonEngine(plan, tell)
    cc = compiler()
    why = why_not_c(plan, platform=sys.platform, cc=cc)
    if why is None and cc is not None:
        try:
            return CEngine(compiled(cc, say), plan, tell)
        except CompileFailed as error:
            why = str(error)
    if wanted == "c":
        raise EngineUnavailable(f"the C engine can't run this: {why}. Or write --engine python")
    say(f"The Python client loads the endpoint, because the C engine can't: {why}")
    return PythonEngine(plan, tell)
