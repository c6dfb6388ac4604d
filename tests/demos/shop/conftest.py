"""The shop in this process, with a new database for each test; and as its users run it."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
import pytest
from argon2 import PasswordHasher
from playwright.async_api import Browser

from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Windows

DATA: Final = tempfile.mkdtemp(prefix="bennu-shop-")
"""The folder of the demos in this process."""

atexit.register(shutil.rmtree, DATA, ignore_errors=True)
with patch.dict(os.environ, {"BENNU_DEMO_DATA": DATA}):
    import_module("bennu_demos.shop.app")

from bennu.testing import running  # noqa: E402 - the shop reads the environment at its import
from bennu_demos.shop.app import app, endpoint  # noqa: E402
from bennu_demos.shop.channels import DATA as SHOP_DATA  # noqa: E402
from bennu_demos.shop.store import Store  # noqa: E402

PASSWORD: Final = "correct horse"


class Person:
    """A visitor with a browser: it keeps cookies, and sends forms with the token of its last page.

    Attributes:
        id: The user's id; None for a guest.
    """

    def __init__(self, user_id: int | None = None) -> None:
        self.id = user_id
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost"
        )

    async def get(self, path: str) -> httpx.Response:
        """Load a page."""
        return await self._http.get(path)

    async def post(self, path: str, token: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form, with the token of a page."""
        token = await self.token() if token is None else token
        return await self._http.post(path, data={"_csrf_token": token, **fields})

    async def token(self) -> str:
        """Return the token of a page."""
        page = (await self.get("/")).text
        return page.partition('data-csrf="')[2].partition('"')[0]

    async def credentials(self) -> dict[str, Any]:
        """Return what a page gives to the socket: arguments of the kit's ``connect``."""
        token = await self.token()
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        return {"params": {"_csrf_token": token}, "headers": {"cookie": cookies}}

    async def buy(self, product: int, amount: int = 1) -> httpx.Response:
        """Put a product into the cart, and place the order."""
        await self.post("/cart", product=product, amount=amount)
        return await self.post("/orders")


async def run_python(data: str | Path, *arguments: str) -> str:
    """Run a command of Python in a process of its own; return its output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        env={**os.environ, "BENNU_DEMO_DATA": str(data)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """The database of the shop, which serves in this process. Hashes of passwords are cheap."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("bennu_demos.shop.store.passwords", cheap)
    (SHOP_DATA / "shop.db").unlink(missing_ok=True)
    async with running(endpoint):
        yield endpoint.state


async def log_in(store: Store, name: str, *, is_staff: bool = False) -> Person:
    """Make an account, and log in with it."""
    user = await store.register(name, PASSWORD, is_staff=is_staff)
    assert user is not None
    person = Person(user.id)
    assert (await person.post("/login", name=name, password=PASSWORD)).status_code == 303
    return person


@pytest.fixture
async def ann(store: Store) -> Person:
    return await log_in(store, "Ann")


@pytest.fixture
async def staff(store: Store) -> Person:
    return await log_in(store, "Boss", is_staff=True)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DemoProcess]:
    """The shop in a process of its own."""
    async with run_demo("bennu_demos.shop.app:app", tmp_path) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    """Browser windows that show the shop."""
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()
