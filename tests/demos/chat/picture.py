"""A morning in the lobby, with four people. Makes the picture of the chat's README: ``python -m tests.demos.chat.picture``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import async_playwright, expect

import bennu_demos.chat
from tests.support.browser import LAUNCH_ARGS, chromium_path

from .serving import run_chat
from .windows import Company, Person

__all__ = ["morning", "write_to"]

TARGET = Path(bennu_demos.chat.__file__).with_name("picture.png")
NAMES = ["Ann Lee", "Bartholomäus von Wettersteinhof", "ليلى المنصوري", "Çiğdem"]


async def write_to(person: Person, name: str) -> None:
    """Open the conversation with somebody who is in the room."""
    more = person.page.get_by_role("button", name=f"More about {name}")
    await more.focus()
    await more.press("Enter")
    await person.page.get_by_role("menuitem", name="Send a message").click()
    await expect(person.page.get_by_role("heading", name=name, exact=True)).to_be_visible()


async def morning(company: Company) -> tuple[Person, Person]:
    """Let four people talk, and one of them write to another alone; return these two."""
    ann, bo, layla, cigdem = [await company.invite(name) for name in NAMES]
    await ann.say("Good morning! Has anybody tried the new history?")
    await bo.say("Yes: I closed my laptop in the train, and every message was there afterwards.")
    await layla.say("صباح الخير! هل الغرفة تعمل على الهاتف أيضًا؟")
    await cigdem.say(
        "It does. See https://example.com/a/very/long/address/that/does/not/end?soon=not"
    )
    await cigdem.say("@Ann Lee, can you show it to the others?")
    await ann.say("Gladly. At ten?")
    await write_to(bo, "Ann Lee")
    await bo.say("Shall we tell them about the private rooms?")
    await expect(ann.page.locator("#direct-list .badge")).to_have_text("1")
    return ann, bo


async def main() -> None:
    """Take the picture."""
    with TemporaryDirectory() as folder:
        async with (
            run_chat(Path(folder) / "chat.db", grace=5) as server,
            async_playwright() as driver,
        ):
            browser = await driver.chromium.launch(
                executable_path=chromium_path(), args=list(LAUNCH_ARGS)
            )
            company = Company(browser, server.url)
            ann, _ = await morning(company)
            await expect(ann.page.locator(".toast")).to_have_count(0)
            await ann.page.screenshot(path=TARGET)
            await company.end()
            await browser.close()
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")  # noqa: T201 - a command


if __name__ == "__main__":
    asyncio.run(main())
