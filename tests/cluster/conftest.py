"""The bus of a test, and its nodes: started once for each module and bus.

A test with the argument ``nodes`` runs with each bus, and without a bus against one process that takes the role of both
nodes. A test with the argument ``two_nodes`` needs two processes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from .buses import BUSES, Bus, run_bus
from .fleet import Nodes, run_nodes

LONG: Final = {"redis-sentinel", "redis-cluster", "nats", "postgresql"}
"""Buses whose scenarios are long tests: in CI one server of Redis stands for all brokers, whose drivers have tests of their own."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bus" in metafunc.fixturenames:
        needs_two = "two_nodes" in metafunc.fixturenames
        names = [name for name in BUSES if not needs_two or name != "local"]
        values = [
            pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in names
        ]
        metafunc.parametrize("bus", values, indirect=True, scope="module")


@pytest.fixture(scope="module")
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    with run_bus(request.param) as bus:
        yield bus


@pytest.fixture(scope="module")
async def nodes(bus: Bus) -> AsyncIterator[Nodes]:
    async with run_nodes(bus) as nodes:
        yield nodes


@pytest.fixture
def two_nodes(nodes: Nodes) -> Nodes:
    return nodes
