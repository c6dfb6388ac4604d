"""The chat without WebSockets, with `longPollFallbackMs`: the stock client changes to long polling.

The demo's page has no fallback (see its connection.js), so the tests add one, as an application would.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.async_api import Browser, Route, expect

from ..process import DemoProcess
from .windows import Person

pytestmark = [pytest.mark.browser, pytest.mark.interop]

REFUSED: Final = """
const RealWebSocket = window.WebSocket;
window.WebSocket = class extends RealWebSocket {
  constructor(address, protocols) { super(address.replace("/websocket", "/nowhere"), protocols); }
};
"""
"""A proxy that answers the upgrade with an error."""

SILENT: Final = """
window.WebSocket = class {
  readyState = 0;
  close() { this.readyState = 3; }
  send() {}
};
"""
"""A proxy that drops the upgrade."""


async def fall_back(route: Route) -> None:
    """Answer with the page's module, changed to have a fallback."""
    response = await route.fetch()
    text = await response.text()
    options = "new Socket(pathname, options)"
    assert options in text
    fallback = "new Socket(pathname, { ...options, longPollFallbackMs: 2500 })"
    await route.fulfill(response=response, body=text.replace(options, fallback))


async def visit(browser: Browser, server: DemoProcess, name: str, script: str = "") -> Person:
    """Open the page in a browser that runs this script before the page's own."""
    context = await browser.new_context()
    await context.add_init_script(script)
    await context.route("**/design/connection.js", fall_back)
    person = Person(await context.new_page(), name)
    await person.come(server.url)
    return person


@pytest.mark.conformance("JS004")
@pytest.mark.parametrize(
    "blocked", [REFUSED, pytest.param(SILENT, marks=pytest.mark.long)], ids=["refused", "silent"]
)
@pytest.mark.long
async def test_who_has_no_websocket_polls(
    browser: Browser, server: DemoProcess, blocked: str
) -> None:
    """Polling clients chat with clients on WebSockets, in both directions. The next page polls from the start."""
    ann = await visit(browser, server, "Ann", blocked)
    bo = await visit(browser, server, "Bo")
    await expect(ann.notices).to_have_text(["Bo joined"])
    await ann.say("Hello")
    await bo.say("Hello yourself")
    for person in (ann, bo):
        await expect(person.messages).to_have_text(["Hello", "Hello yourself"])
    await expect(bo.notices).to_have_count(0)
    remembered: Any = await ann.page.evaluate("sessionStorage.getItem('phx:fallback:LongPoll')")
    assert remembered == "true"
    assert await bo.page.evaluate("sessionStorage.getItem('phx:fallback:LongPoll')") is None

    opened: list[str] = []
    ann.page.on("websocket", lambda websocket: opened.append(websocket.url))
    await ann.page.reload()
    await ann.is_online()
    await ann.say("Back again")
    await expect(bo.messages).to_have_text(["Hello", "Hello yourself", "Back again"])
    assert opened == []
    for person in (ann, bo):
        assert person.complaints == []
        await person.page.context.close()
