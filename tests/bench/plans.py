"""Plans of tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bennu.bench.plan import BenchPlan

__all__ = ["plan"]

PLAN = BenchPlan(
    url="ws://localhost:4000/socket",
    clients=10,
    topic="room:1",
    topics=1,
    event="echo",
    rate=2.0,
    seconds=0.5,
    mark="bench-0123abcd",
)


def plan(**changes: Any) -> BenchPlan:
    """Return a plan of ten clients in one room."""
    return replace(PLAN, **changes)
