"""People in front of browser windows that show the chat demo."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    WebSocket,
    expect,
)

__all__ = ["NARROW", "PATIENCE", "WIDE", "Company", "Person"]

PATIENCE: Final = 30_000
"""Milliseconds after which a test that waits in vain says what it waits for."""

WIDE: Final = {"width": 1280, "height": 800}
NARROW: Final = {"width": 390, "height": 844}


class Person:
    """Somebody in front of a window of their own.

    Attributes:
        page: What they see.
        name: What they call themselves.
        joins: The parameters of the room joins that their page sent.
        polls: How many requests of long polling their page made.
        sockets: How many WebSockets their page opened.
        complaints: What the browser complained of; a lost connection is no complaint.
    """

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.joins: list[Any] = []
        self.polls = 0
        self.sockets = 0
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("websocket", self._websocket)
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        is_lost = "WebSocket connection" in message.text or "net::ERR_" in message.text
        if message.type in ("error", "warning") and not is_lost:
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        self.polls += "/longpoll" in request.url
        if request.method == "POST":  # the page polls once its WebSocket has been refused
            for line in (request.post_data or "").splitlines():
                self._sent(json.loads(line))

    def _websocket(self, websocket: WebSocket) -> None:
        self.sockets += 1
        websocket.on("framesent", lambda frame: self._sent(json.loads(frame)))

    def _sent(self, frame: list[Any]) -> None:
        _, _, topic, event, payload = frame
        if event == "phx_join" and topic.startswith("room:"):
            self.joins.append(payload)

    # What they see.

    @property
    def composer(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    @property
    def messages(self) -> Locator:
        """What was said, in order; not what is not sent yet."""
        return self.page.get_by_role("log").locator(".bubble")

    @property
    def notices(self) -> Locator:
        return self.page.get_by_role("log").locator(".notice")

    @property
    def people(self) -> Locator:
        """The list of those who are here, a row for each."""
        return self.page.locator("#people-list > li")

    @property
    def listed(self) -> Locator:
        """What these rows say: the name, and how they are."""
        return self.people.locator(".person-text")

    @property
    def gone(self) -> Locator:
        """What the list says of those who were here lately: the name, and when that was."""
        return self.page.locator("#recent-list .person-text")

    @property
    def unsent(self) -> Locator:
        return self.page.get_by_label("Not sent yet").locator(".bubble")

    @property
    def banner(self) -> Locator:
        return self.page.get_by_role("status")

    @property
    def typing(self) -> Locator:
        return self.page.locator("#typing")

    def room(self, name: str) -> Locator:
        """The row of a room in the list."""
        return self.page.get_by_role("link", name=re.compile(rf"^{name} "))

    # What they do.

    async def come(self, url: str) -> None:
        """Open the page, and give their name with the keyboard alone."""
        await self.page.goto(url)
        await self.page.get_by_role("textbox", name="Your name").fill(self.name)
        await self.page.keyboard.press("Enter")
        await self.is_online()

    async def is_online(self) -> None:
        """See that they are connected, and in a room."""
        await expect(self.page.locator("#me-state")).to_have_text("Online")
        await expect(self.page.locator("#people-count")).to_contain_text("here")

    async def shows_nobody(self) -> None:
        """See that the page says it is offline, and says of nobody that they are here."""
        await expect(self.page.locator("#me-state")).to_have_text("Offline")
        await expect(self.page.locator("#people-count")).to_have_text("Offline")
        await expect(self.people).to_have_count(0)
        await expect(self.gone).to_have_count(0)
        await expect(self.page.locator("#people-number")).to_be_empty()
        await expect(self.page.locator("#people-offline")).to_contain_text("You are offline.")
        await expect(
            self.page.locator(".row-people").filter(has_text=re.compile(r"\d"))
        ).to_have_count(0)

    async def hide(self, *, is_hidden: bool = True) -> None:
        """Look at another window; headless, none is ever hidden, so the page is told that it is."""
        await self.page.evaluate(
            """isHidden => {
                Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            is_hidden,
        )

    async def say(self, *texts: str) -> None:
        """Send messages, and see them sent."""
        for text in texts:
            await self.write(text)
        await expect(self.unsent).to_have_count(0)

    async def write(self, text: str) -> None:
        """Send a message, whatever becomes of it."""
        await self.composer.fill(text)
        await self.composer.press("Enter")
        await expect(self.composer).to_have_value("")


class Company:
    """Whoever takes part in a test."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self.url = url
        self.people: list[Person] = []

    async def invite(self, name: str, room: str = "", **options: Any) -> Person:
        """Have somebody come, with a browser profile of their own."""
        context = await self._browser.new_context(**{"viewport": WIDE, **options})
        person = Person(await context.new_page(), name)
        self.people.append(person)
        await person.come(f"{self.url}#{room}")
        return person

    async def end(self) -> None:
        """Send everybody home; see that no browser had anything to complain of."""
        for person in self.people:
            await person.page.context.close()
        assert [person.complaints for person in self.people] == [[] for _ in self.people]
