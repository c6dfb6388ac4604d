"""Browser windows that show a demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import Browser, ConsoleMessage, Page

__all__ = ["NARROW", "PATIENCE", "WIDE", "Window", "Windows"]

PATIENCE: Final = 30_000
"""Milliseconds after which a test fails, and says what it waits for."""

WIDE: Final = {"width": 1280, "height": 800}
NARROW: Final = {"width": 360, "height": 740}

LIGHT: Final = "light"
DARK: Final = "dark"
ALL: Final = os.environ.get("BENNU_PICTURES") == "all"
LOOKS: Final[tuple[tuple[str, dict[str, int], tuple[Literal["light", "dark"], ...]], ...]] = (
    ("wide", WIDE, (LIGHT, DARK) if ALL else (LIGHT,)),
    ("narrow", NARROW, (LIGHT, DARK) if ALL else (DARK,)),
)
"""The windows of a picture: a name, a size, and colour schemes."""


class Window:
    """A window with a browser profile of its own.

    Attributes:
        page: The page.
        complaints: The errors and warnings of the browser, except those of lost connections.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: ConsoleMessage) -> None:
        is_lost = "WebSocket connection" in message.text or "net::ERR_" in message.text
        if message.type in ("error", "warning") and not is_lost:
            self.complaints.append(message.text)

    async def overflows(self) -> bool:
        """Return whether the page is wider than its window: then a phone scrolls sideways."""
        root = "document.documentElement"
        return bool(await self.page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))


class Windows:
    """The windows of a test.

    Args:
        browser: The browser.
        url: The URL of the page.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self.url = url
        self._windows: list[Window] = []

    async def open(self, path: str = "", **options: Any) -> Window:
        """Open a window.

        Args:
            path: The path of the page, below the URL.
            **options: Options of Playwright's ``new_context``: ``viewport``, ``color_scheme``, ``has_touch``.
        """
        context = await self._browser.new_context(**{"viewport": WIDE, **options})
        window = Window(await context.new_page())
        self._windows.append(window)
        await window.page.goto(self.url + path)
        return window

    async def picture(self, window: Window, path: Path) -> None:
        """Take pictures of a window: wide and light, narrow and dark. Then it is wide and light again.

        With the variable BENNU_PICTURES=all also wide and dark, narrow and light.
        """
        for name, size, schemes in LOOKS:
            await window.page.set_viewport_size({"width": size["width"], "height": size["height"]})
            for scheme in schemes:
                await window.page.emulate_media(color_scheme=scheme)
                await window.page.screenshot(
                    path=path.with_name(f"{path.stem}-{name}-{scheme}.png")
                )
            assert not await window.overflows(), (
                f"{path.stem}, {name}: the page is wider than its window"
            )
        await window.page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})
        await window.page.emulate_media(color_scheme="light")

    async def end(self) -> None:
        """Close all windows; check that no browser has reported an error."""
        for window in self._windows:
            await window.page.context.close()
        assert [window.complaints for window in self._windows] == [[] for _ in self._windows]
