"""Makes the picture of the game's README: ``python -m tests.demos.game.picture``."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import async_playwright, expect

import bennu_demos.game
from tests.demos.process import run_demo
from tests.demos.windows import WIDE, Windows
from tests.support.browser import LAUNCH_ARGS, chromium_path

TARGET = Path(bennu_demos.game.__file__).with_name("picture.png")
LONG = re.compile(r"1[2-9]\d|[2-9]\d\d")
"""The score of the best snake that the picture waits for."""


async def main() -> None:
    """Watch bots until one has become long."""
    environment = {"GAME_CROWD": "30", "GAME_SEED": "5"}
    with TemporaryDirectory() as data:
        async with (
            run_demo("bennu_demos.game.app:app", Path(data), environment=environment) as server,
            async_playwright() as driver,
        ):
            browser = await driver.chromium.launch(
                executable_path=chromium_path(), args=list(LAUNCH_ARGS)
            )
            windows = Windows(browser, server.url)
            page = (await windows.open(viewport=WIDE, color_scheme="dark")).page
            best = page.locator(".row .points").first
            await best.wait_for()
            await expect(best).to_have_text(LONG, timeout=120_000)
            await page.evaluate("document.getElementById('panel').hidden = true")
            await page.screenshot(path=TARGET)
            await windows.end()
            await browser.close()
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")  # noqa: T201 - a command


if __name__ == "__main__":
    asyncio.run(main())
