"""The list of people of the chat demo, in real browser windows."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.async_api import Browser, expect

from ..process import DemoProcess
from .windows import NARROW, WIDE, Company, Person

pytestmark = pytest.mark.browser

PHONE: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
)
HTML: Final = "<img src=x onerror=alert(1)>"


@pytest.mark.long
async def test_list_shows_who_is_here(company: Company) -> None:
    """Each person has a row, also the page's own user. People who have left are below, with the time."""
    ann = await company.invite("Ann")
    await expect(ann.listed).to_have_text(["Ann you online"])
    await expect(ann.gone).to_have_count(0)
    await expect(ann.page.get_by_role("heading", name="Here recently")).to_be_hidden()
    bo = await company.invite("Bo")
    await expect(ann.listed).to_have_text(["Ann you online", "Bo online"])
    await expect(bo.listed).to_have_text(["Ann online", "Bo you online"])
    for person in (ann, bo):
        await expect(person.page.get_by_role("heading", name="People")).to_have_text("People 2")
    await expect(bo.notices).to_have_count(0)
    await bo.page.close()
    await expect(ann.listed).to_have_text(["Ann you online"])
    await expect(ann.gone).to_have_text("Bo just now")
    await expect(ann.notices).to_have_text(["Bo left"])  # the join is in the same line


@pytest.mark.long
async def test_two_pages_of_a_person_are_one_person_with_two_devices(company: Company) -> None:
    """A person with two pages has one row and one notice. The row shows the number and kinds of devices."""
    ann = await company.invite("Ann")
    await company.invite("Bo")
    phone = await company.invite("Bo", user_agent=PHONE)
    row = ann.people.filter(has_text="Bo")
    await expect(row).to_contain_text("online, 2 devices")
    await expect(row.locator(".devices")).to_have_attribute("title", "1 computer, 1 phone")
    await expect(row.locator(".devices svg")).to_have_count(2)
    await expect(ann.people).to_have_count(2)
    await expect(ann.notices).to_have_text(["Bo joined"])
    await expect(ann.room("lobby")).to_contain_text("2 here")
    await phone.page.close()
    await expect(row.locator(".person-text")).to_have_text("Bo online")
    await expect(row.locator(".devices svg")).to_have_count(0)
    await expect(ann.notices).to_have_text(["Bo joined"])


@pytest.mark.long
async def test_who_has_a_hidden_page_is_away(company: Company) -> None:
    """A person is shown as away until one page is visible again, and is online while one page is visible."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    row = ann.people.filter(has_text="Bo")
    await bo.hide()
    await expect(row).to_contain_text("Away since")
    await expect(row).to_have_attribute("data-status", "away")
    phone = await company.invite("Bo", user_agent=PHONE)
    await expect(row).to_have_attribute("data-status", "online")
    await expect(row).not_to_contain_text("Away")
    await phone.hide()
    await expect(row).to_have_attribute("data-status", "away")
    await bo.hide(is_hidden=False)
    await expect(row).to_have_attribute("data-status", "online")
    # A person who is away is no news in the room.
    await expect(ann.notices).to_have_text(["Bo joined"])


@pytest.mark.long
async def test_hidden_page_that_goes_to_another_room_is_away_there(company: Company) -> None:
    """A join says whether the page is visible."""
    ann = await company.invite("Ann", "python")
    bo = await company.invite("Bo")
    await bo.hide()
    await bo.page.evaluate("location.hash = 'python'")
    row = ann.people.filter(has_text="Bo")
    await expect(row).to_have_attribute("data-status", "away")
    assert [join["status"] for join in bo.joins] == ["online", "away"]


@pytest.mark.long
async def test_who_does_nothing_for_minutes_is_away(company: Company, browser: Browser) -> None:
    """A person without input is away, until there is input."""
    ann = await company.invite("Ann")
    context = await browser.new_context()
    bo = Person(await context.new_page(), "Bo")
    company.people.append(bo)
    await bo.page.clock.install()
    await bo.come(company.url)
    row = ann.people.filter(has_text="Bo")
    await bo.page.clock.fast_forward("04:00")
    await bo.page.keyboard.press("Shift")
    await bo.page.clock.fast_forward("02:00")
    await bo.say("Still here")
    await expect(ann.messages).to_have_text(["Still here"])
    await expect(row).to_have_attribute("data-status", "online")
    await bo.page.clock.fast_forward("05:01")
    await expect(row).to_have_attribute("data-status", "away")
    await bo.page.keyboard.press("Shift")
    await expect(row).to_have_attribute("data-status", "online")


@pytest.mark.parametrize("grace", [300.0])
@pytest.mark.long
async def test_page_that_is_loaded_again_is_no_news(company: Company) -> None:
    """No page shows the person leaving or coming, or as one more device."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await bo.say("Before")
    await expect(ann.messages).to_have_text(["Before"])
    await bo.page.reload()
    await bo.is_online()
    await bo.say("After")
    await expect(ann.messages).to_have_text(["Before", "After"])
    await expect(ann.listed).to_have_text(["Ann you online", "Bo online"])
    await expect(ann.gone).to_have_count(0)
    await expect(ann.notices).to_have_text(["Bo joined"])
    await expect(bo.notices).to_have_count(0)


@pytest.mark.long
async def test_who_was_here_is_known_to_who_comes_later(company: Company) -> None:
    """The server remembers visits for each room. A person who comes back is above again."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await bo.page.close()
    await expect(ann.gone).to_have_text("Bo just now")
    await expect(ann.room("lobby")).to_contain_text("1 here")  # pushed after it is stored
    cy = await company.invite("Cy")
    await expect(cy.gone).to_have_text("Bo just now")
    await cy.room("python").click()
    await expect(cy.listed).to_have_text(["Cy you online"])
    await expect(cy.gone).to_have_count(0)
    await expect(ann.gone).to_have_text(["Cy just now", "Bo just now"])
    await company.invite("Bo")
    await expect(ann.gone).to_have_text("Cy just now")
    await expect(ann.listed).to_have_text(["Ann you online", "Bo online"])


@pytest.mark.long
async def test_time_goes_on_since_somebody_was_here(company: Company, browser: Browser) -> None:
    """The time since the visit grows without any event."""
    context = await browser.new_context()
    ann = Person(await context.new_page(), "Ann")
    company.people.append(ann)
    await ann.page.clock.install()
    await ann.come(company.url)
    bo = await company.invite("Bo")
    await expect(ann.people).to_have_count(2)
    await bo.page.close()
    await expect(ann.gone).to_have_text("Bo just now")
    await ann.page.clock.fast_forward("05:10")
    await expect(ann.gone).to_have_text("Bo 5 min ago")
    await ann.page.clock.fast_forward("03:00:00")
    await expect(ann.gone).to_have_text("Bo 3 h ago")


@pytest.mark.parametrize("name", ["constructor", "__proto__", HTML])
@pytest.mark.long
async def test_any_name_is_shown_as_it_is(company: Company, name: str) -> None:
    """Names with a meaning in JavaScript or HTML have no effect."""
    ann = await company.invite("Ann")
    odd = await company.invite(name)
    await expect(ann.notices).to_have_text(f"{name} joined")
    for person in (ann, odd):
        await expect(person.people.locator("bdi").filter(has_text=name)).to_have_text(name)
        await expect(person.people).to_have_count(2)
    await odd.say("Hello")
    await expect(ann.messages).to_have_text(["Hello"])
    await odd.hide()
    await expect(ann.people.filter(has_text=name)).to_have_attribute("data-status", "away")
    await odd.page.close()
    await expect(ann.gone.locator("bdi")).to_have_text(name)
    await expect(ann.page.locator("aside img")).to_have_count(0)


@pytest.mark.long
async def test_list_is_a_drawer_where_the_window_is_narrow(company: Company) -> None:
    """A button shows the number of people, and opens the list. Escape and the list's own button close it."""
    ann = await company.invite("Ann", viewport=NARROW)
    await company.invite("Bo")
    drawer = ann.page.get_by_role("complementary", name="People in this room")
    await expect(drawer).to_be_hidden()
    button = ann.page.get_by_role("button", name="2 people")
    await button.focus()
    await ann.page.keyboard.press("Enter")
    await expect(drawer).to_be_visible()
    await expect(drawer.get_by_role("listitem")).to_have_count(2)
    await ann.page.keyboard.press("Escape")
    await expect(drawer).to_be_hidden()
    await button.click()
    await drawer.get_by_role("button", name="Close").click()
    await expect(drawer).to_be_hidden()
    await ann.page.set_viewport_size({"width": 1280, "height": 800})
    await expect(drawer).to_be_visible()
    await expect(button).to_be_hidden()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.long
async def test_narrow_header_says_how_many_people_are_here(company: Company, count: int) -> None:
    """The number is visible without a tap, at each width of a phone."""
    ann = await company.invite("Ann", viewport=NARROW)
    for name in ["Bo", "Cy"][: count - 1]:
        await company.invite(name)
    number = ann.page.locator("#people-count")
    for width in (390, 320):
        await ann.page.set_viewport_size({"width": width, "height": 700})
        await expect(number).to_have_text("Only you here" if count == 1 else "2 people here")
        await expect(number).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.long
async def test_offline_page_shows_nobody_online(
    company: Company, server: DemoProcess, viewport: Any
) -> None:
    """Without the server the page shows no people, and says that it is offline. Later all are shown again."""
    ann = await company.invite("Ann", viewport=viewport)
    await company.invite("Bo")
    await expect(ann.people).to_have_count(2)
    await server.kill()
    await ann.shows_nobody()
    await server.start()
    await ann.is_online()
    await expect(ann.people).to_have_count(2)
    await expect(ann.page.locator("#people-offline")).to_be_hidden()
    await expect(ann.page.locator("#room-list")).to_contain_text("2 here")


@pytest.mark.long
async def test_browser_without_network_shows_nobody_online(company: Company) -> None:
    """The page uses the browser's state, and does not wait for a late heartbeat."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await expect(ann.people).to_have_count(2)
    await ann.page.context.set_offline(True)
    await ann.shows_nobody()
    await ann.write("Meanwhile")
    await expect(ann.page.get_by_text("Will send when you are back online.")).to_be_visible()
    await expect(bo.people).to_have_count(1)
    await ann.page.context.set_offline(False)
    await ann.is_online()
    await expect(ann.people).to_have_count(2)
    await expect(bo.messages).to_have_text(["Meanwhile"])


LOST: Final = """
async () => {
  const { Presences } = await import("/js/presences.js");
  const handlers = [];
  const notices = [];
  let joinRef = "1";
  const channel = {
    on: (event, handler) => handlers.push([event, handler]),
    joinRef: () => joinRef,
  };
  const presences = new Presences("Me");
  presences.addEventListener("notice", ({ detail }) => notices.push(`${detail.name} ${detail.what}`));
  presences.follow(channel);
  const hear = (event, payload) =>
    handlers.filter(([name]) => name === event).forEach(([, handler]) => handler(payload));
  const state = (...names) => Object.fromEntries(names.map((name) => [
    `user:${name}`, { metas: [{ phx_ref: name + joinRef, device: "phone", status: "online", since: 1 }] },
  ]));
  window.presences = presences;
  window.notices = notices;
  hear("presence_state", state("Me", "Ann", "Bo"));
  joinRef = "2"; // the server was away, and has started anew: we are the first
  hear("presence_state", state("Me"));
  hear("presence_diff", { joins: state("Ann", "Cy"), leaves: {} });
}
"""


@pytest.mark.long
async def test_who_comes_back_after_a_lost_connection_is_no_news(company: Company) -> None:
    """After all clients have lost the server, only those who stay away are reported as gone."""
    ann = await company.invite("Ann")
    await ann.page.clock.install()
    await ann.page.evaluate(LOST)
    notices: Any = await ann.page.evaluate("notices")
    assert notices == ["Cy joined"]
    await ann.page.clock.run_for(20_000)
    assert await ann.page.evaluate("notices") == ["Cy joined", "Bo left"]
    assert await ann.page.evaluate("[...presences.people.keys()]") == ["Me", "Ann", "Cy"]
