"""The IoT demo in this process."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import mkdtemp

import pytest

# The module makes its endpoint when it is imported: without devices, and not in the folder of the user's demos.
os.environ.setdefault("IOT_DEVICES", "0")
os.environ.setdefault("BENNU_DEMO_DATA", mkdtemp())

from bennu import Endpoint
from bennu.testing import Clock, TestClient, connect
from bennu_demos.iot.app import make
from bennu_demos.iot.secret import token_of

SECRET = "a secret of the tests of the demo"
BEGIN = 1_700_000_000_000


class Yard:
    """A server, with devices and operators that connect to it.

    Attributes:
        endpoint: The endpoint.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def device(self, device: str) -> AbstractAsyncContextManager[TestClient]:
        """Connect a device."""
        return connect(self.endpoint, "/devices", auth_token=token_of(device, SECRET))

    def operator(self, name: str = "Ann") -> AbstractAsyncContextManager[TestClient]:
        """Connect a page."""
        return connect(self.endpoint, "/socket", {"name": name})


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "iot.db"


@pytest.fixture
def yard(database: Path, clock: Clock) -> Yard:
    """A server whose time is the virtual time of the test."""
    return Yard(make(database, SECRET, clock=lambda: BEGIN + round(clock.now * 1000)))
