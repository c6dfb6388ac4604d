"""A server for all tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ...support.brokers.nats import NatsCluster, NatsServer, nats_cluster, nats_server


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A server with the default configuration."""
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """A cluster of three with the default configuration."""
    with nats_cluster(tmp_path_factory.mktemp("nats-cluster")) as cluster:
        yield cluster
