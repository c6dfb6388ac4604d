"""Addresses in messages of the chat demo are links. No other text is a link."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.async_api import expect

from .windows import Company, Person

pytestmark = pytest.mark.browser

PARTS: Final = """
async text => {
  const { linked } = await import("/js/links.js");
  return linked(text).map((part) => typeof part === "string" ? part : [part.textContent, part.href]);
}
"""


async def parts(person: Person, text: str) -> Any:
    """Return the parts of a text on the page: strings, and links as [text, address]."""
    return await person.page.evaluate(PARTS, text)


@pytest.mark.long
async def test_address_is_a_link_that_leads_there_safely(company: Company) -> None:
    """The link opens in its own window, which gets no access to the chat."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await ann.say("See https://example.com/a?b=c&d=e#f, please")
    for person in (ann, bo):
        await expect(person.messages).to_have_text(["See https://example.com/a?b=c&d=e#f, please"])
        link = person.messages.get_by_role("link")
        await expect(link).to_have_text("https://example.com/a?b=c&d=e#f")
        await expect(link).to_have_attribute("href", "https://example.com/a?b=c&d=e#f")
        await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
        await expect(link).to_have_attribute("target", "_blank")


HOSTILE: Final = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//http",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://example.com",
    "https://",
    "http://[",
    "https:// space.example",
    "<a href=javascript:alert(1)>x</a>",
    "&#104;ttps://example.com/",
    "xhttps://example.com",
    "//example.com",
    "www.example.com",
]


@pytest.mark.long
async def test_what_is_no_address_is_text(company: Company) -> None:
    """Text with another scheme, or an address that no browser can open, is no link."""
    ann = await company.invite("Ann")
    for text in HOSTILE:
        assert await parts(ann, text) == [text], text


ADDRESSES: Final = [
    'https://example.com/"onmouseover="document.title=1',
    "https://example.com/'onmouseover='document.title=1",
    "https://example.com/<img src=x onerror=document.title=1>",
    "https://example.com/><script>document.title=1</script>",
    "https://example.com/&quot;onclick=&quot;document.title=1",
    "https://javascript:alert(1)@example.com/",
    "javascript:alert(1)//https://example.com",
]
"""Texts with an address in them, which would be dangerous as markup."""


@pytest.mark.long
async def test_hostile_address_brings_no_markup(company: Company) -> None:
    """The text reads as it was written. A link in it leads to http or https and has no handler."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    for number, hostile in enumerate(ADDRESSES):
        await bo.say(hostile)
        await expect(ann.messages).to_have_count(number + 1)
        await expect(ann.messages.last).to_have_text(hostile)
        for link in await ann.messages.last.get_by_role("link").all():
            await link.hover()
            assert await link.evaluate("link => [...link.attributes].map(({ name }) => name)") == [
                *("href", "title", "target", "rel", "dir")
            ], hostile
            assert await link.evaluate("link => link.protocol") in ("http:", "https:"), hostile
        await expect(ann.page).to_have_title("#lobby · Bennu chat")
    await expect(ann.messages.locator("*:not(a)")).to_have_count(0)


ENDS: Final = [
    ("Look: https://a.example/x.", "https://a.example/x"),
    ("(https://a.example/x)", "https://a.example/x"),
    ("https://a.example/wiki/X_(y)", "https://a.example/wiki/X_(y)"),
    ("(https://a.example/wiki/X_(y)), yes", "https://a.example/wiki/X_(y)"),
    ("HTTPS://A.example/x?!", "HTTPS://A.example/x"),
    ("«https://a.example/ü»", "https://a.example/ü"),
    ("https://a.example/x\u202egpj.exe", "https://a.example/x"),
    ("https://a.example\u200b.evil.example", "https://a.example"),
]
"""Texts, and the address in them."""


@pytest.mark.long
async def test_link_ends_where_the_address_does(company: Company) -> None:
    """Punctuation of the sentence and invisible characters are no part of the link."""
    ann = await company.invite("Ann")
    for text, address in ENDS:
        before, rest = text.split(address, 1)
        made = await parts(ann, text)
        assert [part if isinstance(part, str) else part[0] for part in made] == [
            part for part in (before, address, rest) if part
        ], text


@pytest.mark.long
async def test_host_in_other_letters_is_shown_in_ascii(company: Company) -> None:
    """The title of the link shows the difference between similar letters."""
    ann = await company.invite("Ann")
    await ann.say("https://ex\u0430mple.com/")  # with a Cyrillic letter
    link = ann.messages.get_by_role("link")
    await expect(link).to_have_attribute("title", "https://xn--exmple-4nf.com/")


@pytest.mark.long
async def test_several_addresses_and_long_texts(company: Company) -> None:
    """Each address is a link. A text of only brackets takes no time."""
    ann = await company.invite("Ann")
    made = await parts(ann, "http://a.example and http://b.example")
    links = [["http://a.example", "http://a.example/"], ["http://b.example", "http://b.example/"]]
    assert made == [links[0], " and ", links[1]]
    long = "https://a.example/" + "(" * 1_000_000 + ")" * 1_000_000
    [[shown, _]] = await parts(ann, long)
    assert shown == long
