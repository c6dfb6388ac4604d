"""The page of a contract."""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bennu import Channel, Endpoint, Presence, Socket, on
from bennu.contracts import ContractPages, contract_of
from bennu.contracts.html_page import html_page
from tests.contracts.shop import endpoint, endpoint_of
from tests.support.browser import open_browser
from tests.support.servers import serve

WIDTHS = (1280, 390)


def note(said: list[str], what: object) -> None:
    """Note a line of the browser's console, or an error of the page."""
    said.append(str(getattr(what, "text", what)))


def tree(text: str) -> ET.Element:
    """Return the page as a tree; it is well-formed, but for the elements that have no end."""
    text = re.sub(r"<(meta|link)([^>]*)>", r"<\1\2/>", text.removeprefix("<!doctype html>\n"))
    return ET.fromstring(text.replace("&rarr;", "→"))  # noqa: S314 - our own page


def test_the_page_has_each_topic_event_and_type() -> None:
    page = tree(html_page(contract_of(endpoint, title="Shop", release="1.2")))
    text = " ".join("".join(page.itertext()).split())
    for words in (
        "Shop 1.2",
        "connect(Params)",
        "shop:{shop_id} ShopChannel",
        "order Order → Order | Error[Problem]",
        "later → Reply[Point] | no reply",
        "any other event any → dict[str, any]",
        "found in the source",
        "The source sends it, and emits does not name it",
        "5/second",
        "It is paid later.",
        "export interface Order {",
        "A raw socket",
    ):
        assert words in text


def test_all_links_lead_somewhere() -> None:
    page = tree(html_page(contract_of(endpoint)))
    targets = [one.get("href", "") for one in page.iter("a")]
    ids = [one.get("id") for one in page.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert {one[1:] for one in targets if one.startswith("#")} <= {*ids}
    assert {one for one in targets if not one.startswith("#")} == {
        "asyncapi.json",
        "contract.d.ts",
        "contract.py",
    }


def test_text_of_the_application_is_escaped() -> None:
    """A docstring, an event, a topic and a title are text, whatever they hold."""

    class Wild(Channel):
        """<script>alert(1)</script> & `code`"""

        @on("<b>bold</b>")
        async def bold(self) -> None:
            await self.push('"><i>', {})

    socket: Socket[Any] = Socket(connect=lambda: None, channels={"<u >&\"'": Wild})
    of = Endpoint(sockets={"/<s>": socket}, presence=Presence())
    page = html_page(contract_of(of, title="<title>", release="<1>"))
    tags = {one.tag for one in tree(page).iter()}
    assert tags.isdisjoint({"script", "b", "i", "u", "s"})
    assert "<code>code</code>" in page


def test_an_endpoint_without_sockets_has_a_page() -> None:
    assert "The endpoint has no socket." in html_page(contract_of(Endpoint(sockets={})))


@pytest.mark.browser
@pytest.mark.clock("real")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("scheme", ["dark", pytest.param("light", marks=pytest.mark.long)])
async def test_a_browser_shows_the_page(scheme: str) -> None:
    """Without a mistake in its console, in light and dark colours, and no wider than the window."""
    served = endpoint_of(debug=True, contracts=ContractPages(), presence=())
    async with serve("native", served) as server:
        for width in WIDTHS:
            size = {"width": width, "height": 900}
            async with open_browser(color_scheme=scheme, viewport=size) as browser:
                page = await browser.new_page()
                said: list[str] = []
                page.on("console", partial(note, said))
                page.on("pageerror", partial(note, said))
                await page.goto(server.url("/contracts", "http"))
                await page.locator("summary").first.click()
                assert await page.locator("dd").first.is_visible()
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                colours = await page.evaluate(
                    "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
                )
                text, paper = (sum(map(int, re.findall(r"\d+", one)[:3])) for one in colours)
                assert (text < paper) == (scheme == "light")
                assert said == []
