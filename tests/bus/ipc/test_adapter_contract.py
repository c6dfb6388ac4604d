"""The contract of a bus holds for ``ipc://``, on both event loops."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from bennu.bus import BusAdapter, IPCAdapter
from bennu.testing.bus_contract import BusContract

from .paths import short_directory


class TestIPC(BusContract):
    """On asyncio's loop."""

    @pytest.fixture(autouse=True)
    def directory(self) -> Any:
        with short_directory() as path:
            self.path: Path = path / "bus"
            yield

    def adapter(self, node: str) -> BusAdapter:
        return IPCAdapter(self.path, node)


class TestIPCOnUvloop(TestIPC):
    """On uvloop."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        uvloop.run(test)
