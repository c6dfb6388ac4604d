"""People with browser windows that show the chat demo."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from playwright.async_api import (
    Browser,
    Locator,
    Page,
    Request,
    WebSocket,
    WebSocketRoute,
    expect,
)

from tests.support.frames import PHX_JOIN

from ..windows import PATIENCE, WIDE, Window
from .guests import PASSWORD

__all__ = ["NARROW", "PATIENCE", "WIDE", "Company", "Person"]

NARROW: Final = {"width": 390, "height": 844}


class Person(Window):
    """A person with a browser window.

    Attributes:
        name: The name of the person.
        joins: The parameters of the page's joins of rooms.
        loads: The number of times that the page was loaded.
        pushes: The events that the page sent to rooms.
        keys: The keys of the messages that the page sent.
        polls: The number of requests of long polling.
        sockets: The number of WebSockets that the page opened.
    """

    def __init__(self, page: Page, name: str) -> None:
        super().__init__(page)
        self.name = name
        self.joins: list[Any] = []
        self.loads = 0
        self.pushes: list[str] = []
        self.keys: list[str] = []
        self.polls = 0
        self.sockets = 0
        page.on("domcontentloaded", lambda _: self._loaded())
        page.on("websocket", self._websocket)
        page.on("request", self._request)

    def _request(self, request: Request) -> None:
        self.polls += "/longpoll" in request.url
        # The page polls after its WebSocket was refused.
        if request.method == "POST" and "/longpoll" in request.url:
            for line in (request.post_data or "").splitlines():
                self._sent(json.loads(line))

    def _websocket(self, websocket: WebSocket) -> None:
        self.sockets += 1
        websocket.on("framesent", lambda frame: self._sent(json.loads(frame)))

    def _sent(self, frame: list[Any]) -> None:
        _, _, topic, event, payload = frame
        if topic.startswith("room:"):
            self.pushes.append(event)
            if event == "message":
                self.keys.append(payload["key"])
            if event == PHX_JOIN:
                self.joins.append(payload)

    def _loaded(self) -> None:
        self.loads += 1

    # The content of the page.

    @property
    def composer(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    @property
    def messages(self) -> Locator:
        """The messages in order, without those that are not sent yet."""
        return self.page.get_by_role("log").locator(".bubble")

    @property
    def older(self) -> Locator:
        """The button that loads older messages."""
        return self.page.get_by_role("button", name="older messages")

    @property
    def notices(self) -> Locator:
        return self.page.get_by_role("log").locator(".notice")

    @property
    def people(self) -> Locator:
        """The list of people who are here, with a row for each."""
        return self.page.locator("#people-list > li")

    @property
    def listed(self) -> Locator:
        """The content of these rows: the name and the status."""
        return self.people.locator(".person-text")

    @property
    def gone(self) -> Locator:
        """The rows of people who were here lately: the name and the time."""
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

    # The actions of the person.

    async def come(self, url: str) -> None:
        """Log in, at the first time with a new account, and open the page."""
        base = url.partition("#")[0]
        data = {"name": self.name, "password": PASSWORD}
        post = self.page.context.request.post
        answer = await post(f"{base}api/signup", data=data)
        if not answer.ok:
            answer = await post(f"{base}api/login", data=data)
        assert answer.ok, await answer.text()
        await self.page.goto(url)
        await self.is_online()

    async def is_online(self) -> None:
        """Check that the page is connected, and in a room."""
        await expect(self.page.locator("#me-state")).to_have_text("Online")
        await expect(self.page.locator("#people-count")).to_contain_text("here")

    async def shows_nobody(self) -> None:
        """Check that the page says that it is offline, and shows nobody as here."""
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
        """Look at another window. A headless window is never hidden, so the page is told that it is."""
        await self.page.evaluate(
            """isHidden => {
                Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            is_hidden,
        )

    async def scroll_to_the_top(self) -> None:
        """Scroll to the oldest message that the page has."""
        await self.page.get_by_role("region", name="Messages").evaluate("box => box.scrollTo(0, 0)")

    async def say(self, *texts: str) -> None:
        """Send messages, and wait until they are sent."""
        for text in texts:
            await self.write(text)
        await expect(self.unsent).to_have_count(0)

    async def write(self, text: str) -> None:
        """Send a message without waiting."""
        await self.composer.fill(text)
        await self.composer.press("Enter")
        await expect(self.composer).to_have_value("")


class Company:
    """The people of a test."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self.url = url
        self.people: list[Person] = []

    async def invite(
        self,
        name: str,
        room: str = "",
        *,
        has_clock: bool = False,
        sockets: Callable[[WebSocketRoute], Any] | None = None,
        **options: Any,
    ) -> Person:
        """Open a window with its own browser profile.

        Args:
            name: The name of the person.
            room: The room; by default the lobby.
            has_clock: Whether the test moves the clock of the page.
            sockets: Carries the WebSockets of the page in the place of the network.
            **options: Options of Playwright's ``new_context``.
        """
        context = await self._browser.new_context(**{"viewport": WIDE, **options})
        person = Person(await context.new_page(), name)
        if has_clock:
            await person.page.clock.install()
        if sockets is not None:
            await person.page.route_web_socket("**/socket/websocket*", sockets)
        self.people.append(person)
        await person.come(f"{self.url}#{room}")
        return person

    async def end(self) -> None:
        """Close all windows; check that no browser has reported an error."""
        for person in self.people:
            await person.page.context.close()
        assert [person.complaints for person in self.people] == [[] for _ in self.people]
