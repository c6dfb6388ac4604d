"""The site in this process, with an empty database; and as its users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client
from playwright.async_api import Browser

from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Windows
from tests.support.django_site import empty_the_database

APP = "bennu_demos.site.app:app"


@dataclass
class Reader:
    """A user of the site with a browser that is logged in.

    Attributes:
        user: Django's user.
        browser: Django's test client.
    """

    user: Any
    browser: Client

    @property
    def credentials(self) -> dict[str, Any]:
        """What the page of the browser gives to the socket: arguments of the kit's ``connect``."""
        page = self.browser.get("/").content.decode()
        token = page.partition('data-csrf="')[2].partition('"')[0]
        cookies = (f"{name}={cookie.value}" for name, cookie in self.browser.cookies.items())
        return {"params": {"_csrf_token": token}, "headers": {"cookie": "; ".join(cookies)}}

    @property
    def topic(self) -> str:
        """The topic with the user's notifications."""
        return f"user:{self.user.pk}"


def browser_of(user: Any = None) -> Client:
    """Return a browser: Django's test client. It is logged in, if there is a user."""
    browser = Client(SERVER_NAME="localhost")
    if user is not None:
        browser.force_login(user)
    return browser


def run_command(data: Path, *arguments: str) -> str:
    """Run a command of the Django project in a process of its own, as a cron job does."""
    return subprocess.run(
        [sys.executable, "-m", "bennu_demos.site", *arguments],
        env={**os.environ, "BENNU_DEMO_DATA": str(data)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture
def database() -> Iterator[None]:
    """An empty database."""
    empty_the_database()
    yield
    connections.close_all()


@pytest.fixture
def reader(database: None) -> Callable[..., Reader]:
    """Make users of the site: ``reader("ann")``."""

    def make(name: str, **options: Any) -> Reader:
        users: Any = get_user_model().objects
        user = users.create_user(name, password="correct horse", **options)
        return Reader(user, browser_of(user))

    return make


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DemoProcess]:
    """The site in a process of its own."""
    async with run_demo(APP, tmp_path) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    """Browser windows that show the site."""
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()
