"""Debian's Chromium, driven by Playwright's Python package; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["LAUNCH_ARGS", "chromium_path", "open_browser"]

LAUNCH_ARGS = (
    "--headless",
    "--no-sandbox",  # CI is root, and Chromium's sandbox refuses root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # No requests to other servers.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first has no windows, and takes two thirds of the processor time of the second."""


def chromium_path() -> Path:
    """Return the path of the browser: $BENNU_CHROMIUM, or the first one found. Skip the test if there is none."""
    if named := os.environ.get("BENNU_CHROMIUM"):
        return Path(named)
    for name in _NAMES:
        if found := shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/bin"):
            return Path(found)
    pytest.skip("no Chromium, run scripts/install (or set BENNU_CHROMIUM)")


@asynccontextmanager
async def open_browser(**options: Any) -> AsyncIterator[BrowserContext]:
    """Open a browser with a new, empty profile. The options are those of Playwright's new_context."""
    executable = chromium_path()
    playwright = pytest.importorskip("playwright.async_api")
    with TemporaryDirectory(prefix="bennu-chromium-", ignore_cleanup_errors=True) as profile:
        async with playwright.async_playwright() as driver:
            context = await driver.chromium.launch_persistent_context(
                profile, executable_path=executable, args=list(LAUNCH_ARGS), **options
            )
            try:
                yield context
            finally:
                await context.close()
