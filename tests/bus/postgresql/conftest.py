"""A PostgreSQL for each test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ...support.brokers.postgresql import PostgreSQL, postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server
