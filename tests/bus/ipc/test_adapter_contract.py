"""The contract of a bus holds for ``ipc://``, on both event loops."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
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

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        """Shut down all connections of the test, as the kernel would."""
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError), socket.socket(fileno=os.dup(int(name))) as found:
                if str(self.path) in f"{found.getsockname()} {found.getpeername()}":
                    found.shutdown(socket.SHUT_RDWR)
        yield


class TestIPCOnUvloop(TestIPC):
    """On uvloop."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        uvloop.run(test)
