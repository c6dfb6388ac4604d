"""The page of the IoT demo in Chromium: two operators, real devices, lost connections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from playwright.async_api import Browser, Page, expect

from bennu_demos.iot.agent import Agent
from bennu_demos.iot.device import Machine, simulate
from bennu_demos.iot.secret import read_secret, token_of
from bennu_demos.iot.wire import Hello
from tests.demos.axe import check_accessible
from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Window, Windows

pytestmark = [pytest.mark.browser, pytest.mark.clock("real"), pytest.mark.timeout(240)]

APP = "bennu_demos.iot.app:app"
LONG = "The very long name of a weather station behind the greenhouse at the far end of"
HEBREW = "משאבה ליד הבריכה"


@pytest.fixture
def devices() -> int:
    """The number of devices that the server simulates."""
    return 0


@pytest.fixture
async def server(tmp_path: Path, devices: int) -> AsyncIterator[DemoProcess]:
    async with run_demo(APP, tmp_path, environment={"IOT_DEVICES": str(devices)}) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()


class Field:
    """Devices that connect to a server.

    Args:
        server: The server.
        data: The folder of the demos' data.
    """

    def __init__(self, server: DemoProcess, data: Path) -> None:
        self.url = f"ws://127.0.0.1:{server.port}/devices"
        self.secret = read_secret(data / "iot")

    @asynccontextmanager
    async def device(
        self, number: int, name: str, *, answers: bool = True
    ) -> AsyncIterator[Machine]:
        """Run one device, and let it lose its link at the end."""
        device = f"device-{number}"
        machine = Machine(Random(number), answers=answers)
        agent = Agent(
            self.url,
            device,
            token_of(device, self.secret),
            Hello(name, "out of fuel"),
            machine,
            interval=1,
        )
        task = asyncio.create_task(agent.run())
        yield machine
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    @asynccontextmanager
    async def many(self, count: int) -> AsyncIterator[None]:
        """Run simulated devices."""
        task = asyncio.create_task(simulate(self.url, self.secret, count, interval=20))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def field(server: DemoProcess, tmp_path: Path) -> Field:
    return Field(server, tmp_path)


async def name_me(window: Window, name: str) -> None:
    await window.page.get_by_label("You are").fill(name)
    await window.page.get_by_label("You are").press("Enter")


async def send(page: Page, device: str, kind: str, *, value: int = 5, limit: int = 20) -> None:
    """Send a command by keyboard."""
    await page.locator("#list button").filter(has_text=device).focus()
    await page.keyboard.press("Enter")
    await page.get_by_label(kind).check()
    await page.get_by_label("Seconds").fill(str(value))
    await page.get_by_label("Time limit").fill(str(limit))
    await page.get_by_role("button", name="Send").press("Enter")


async def test_two_operators_see_devices_and_command_them(
    windows: Windows, field: Field, server: DemoProcess, screenshots: Path
) -> None:
    ann = await windows.open()
    await expect(ann.page.get_by_text("No devices yet")).to_be_visible()
    await check_accessible(ann.page)
    await windows.picture(ann, screenshots / "empty.png")
    bo = await windows.open()
    await name_me(ann, "Ann")
    await name_me(bo, "Bo Lee")
    async with (
        field.device(1, LONG) as station,
        field.device(2, HEBREW),
        field.device(3, "Pump 3", answers=False),
    ):
        async with field.device(4, "Tractor 4"):
            for window in (ann, bo):
                await expect(window.page.locator("#count")).to_have_text("4 of 4 online")
                await expect(window.page.locator(".marker")).to_have_count(4)
                await expect(window.page.locator("#list li").first).to_contain_text("°C")
        await expect(bo.page.locator("#count")).to_have_text("3 of 4 online")
        await expect(bo.page.locator("#list .away")).to_contain_text("away")

        await send(ann.page, "The very long", "Blink", value=60)
        await expect(ann.page.locator("#dialog-orders")).to_contain_text("Done")
        assert station.blinks == 1
        await expect(bo.page.locator("#orders")).to_contain_text(re.compile("Done.*Sent by Ann"))
        await expect(bo.page.locator(".marker.blinking")).to_have_count(1)
        await ann.page.keyboard.press("Escape")
        await send(bo.page, "Pump 3", "Set interval", limit=2)
        await expect(bo.page.locator("#dialog-orders")).to_contain_text("Pending")
        await expect(ann.page.locator("#orders")).to_contain_text(
            re.compile("Timed out.*no answer in time. Sent by Bo Lee")
        )
        await send(ann.page, HEBREW, "Set interval")
        await expect(ann.page.locator("#dialog-interval")).to_have_text("every 5 s")
        await ann.page.get_by_label("Seconds").fill("99")
        await ann.page.get_by_role("button", name="Send").click()
        await expect(ann.page.get_by_text("Write a number from 1 to 60.")).to_be_visible()
        await ann.page.get_by_label("Seconds").fill("5")
        for window, name in ((ann, "dialog"), (bo, "dialog-timed-out")):
            await check_accessible(window.page)
            await windows.picture(window, screenshots / f"{name}.png")
            await window.page.keyboard.press("Escape")
        for scheme in ("light", "dark"):
            await ann.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await check_accessible(ann.page)
        await windows.picture(ann, screenshots / "four.png")

        # The server crashes. Devices keep their readings, and all come back.
        await server.kill()
        await expect(ann.page.locator("#banner")).to_contain_text("offline")
        await windows.picture(ann, screenshots / "offline.png")
        await server.start()
        for window in (ann, bo):
            await expect(window.page.locator("#count")).to_have_text("3 of 4 online")
            await expect(window.page.locator("#orders .state.done")).to_have_count(2)


@pytest.mark.long
async def test_a_device_without_a_link_gets_its_command_when_it_is_back(
    windows: Windows, field: Field
) -> None:
    ann = await windows.open()
    async with field.device(7, "Mower 7"):
        await expect(ann.page.locator("#count")).to_have_text("1 of 1 online")
    await expect(ann.page.locator("#count")).to_have_text("0 of 1 online")
    await send(ann.page, "Mower 7", "Blink", limit=60)
    await expect(ann.page.locator("#dialog-orders")).to_contain_text("Pending")
    async with field.device(7, "Mower 7") as mower:
        await expect(ann.page.locator("#dialog-orders")).to_contain_text("Done")
        assert mower.blinks == 1


@pytest.mark.long
async def test_two_hundred_devices_and_a_find_field(
    windows: Windows, field: Field, screenshots: Path
) -> None:
    ann = await windows.open()
    async with field.many(200):
        await expect(ann.page.locator("#count")).to_have_text(re.compile("(19.|200) of 200 online"))
        await expect(ann.page.locator(".marker")).to_have_count(200)
        await check_accessible(ann.page)
        await windows.picture(ann, screenshots / "two-hundred.png")
        await ann.page.get_by_label("Find a device").fill("tractor 1")
        await expect(ann.page.locator("#list li").first).to_contain_text("Tractor 1")
        await ann.page.get_by_label("Find a device").fill("nothing like this")
        await expect(ann.page.get_by_text("No device has such a name.")).to_be_visible()


@pytest.mark.parametrize("devices", [12])
@pytest.mark.long
async def test_a_visitor_sees_devices_at_once(windows: Windows, screenshots: Path) -> None:
    ann = await windows.open()
    await expect(ann.page.locator("#count")).to_have_text(re.compile("of 12 online"))
    await expect(ann.page.locator(".marker")).to_have_count(12)
    for name, kind in (
        ("Mower 1", "Blink"),
        ("Sprayer 3", "Set interval"),
        ("Cart 2", "Set interval"),
    ):
        await send(ann.page, name, kind, limit=2 if name == "Sprayer 3" else 20)
        await expect(ann.page.locator("#dialog-orders")).to_contain_text(
            re.compile("Done|Timed out")
        )
        await ann.page.keyboard.press("Escape")
    await windows.picture(ann, screenshots / "alone.png")
    await ann.page.locator(".marker").nth(5).hover(force=True)  # another can lie over it
    await ann.page.screenshot(path=screenshots / "picture.png")
