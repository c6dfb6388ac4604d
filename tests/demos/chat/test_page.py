"""The chat demo, in two real browser windows, with a real server that can be killed."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import pytest
from playwright.async_api import expect

from ..process import DemoProcess
from .windows import NARROW, Company

pytestmark = pytest.mark.browser

HTML: Final = "<img src=x onerror=\"document.title='broken into'\">"


async def test_two_people_chat(company: Company) -> None:
    """Each page shows who comes, all messages, and who leaves."""
    ann = await company.invite("Ann")
    await expect(ann.page.get_by_text("No messages in #lobby yet")).to_be_visible()
    bo = await company.invite("Bo")
    await expect(ann.notices).to_have_text(["Bo joined"])
    await ann.say("Hello", "Is anybody here?")
    await expect(bo.messages).to_have_text(["Hello", "Is anybody here?"])
    await bo.say("Yes\nI am")
    for person in (ann, bo):
        await expect(person.messages).to_have_text(["Hello", "Is anybody here?", "Yes\nI am"])
        # Ann's name is shown once for her two messages in a row.
        names = ["You", "Bo"] if person is ann else ["Ann", "You"]
        await expect(person.page.get_by_role("log").locator(".name")).to_have_text(names)
    await expect(ann.page.get_by_text("No messages in #lobby yet")).to_be_hidden()
    await bo.page.close()
    await expect(ann.notices).to_have_text(["Bo joined", "Bo left"])


EXTENSIONS: Final = """
async () => {
  const headers = { "content-type": "application/json" };
  const answer = await fetch("api/token", { method: "POST", headers, body: "{}" });
  const bearer = btoa((await answer.json()).token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return new Promise((resolve, reject) => {
    const url = `ws://${location.host}/socket/websocket?vsn=2.0.0`;
    const socket = new WebSocket(url, ["phoenix", `base64url.bearer.phx.${bearer}`]);
    socket.onopen = () => { resolve(socket.extensions); socket.close(); };
    socket.onerror = reject;
  });
}
"""


@pytest.mark.long
async def test_browser_and_chat_compress(company: Company) -> None:
    """Chromium offers compression, and reads long messages and the history of a room."""
    ann = await company.invite("Ann")
    agreed = await ann.page.evaluate(EXTENSIONS)
    assert agreed == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    long = ("As I said before, " * 50).strip()
    await ann.say(long)
    bob = await company.invite("Bob")
    await bob.say(f"{long} and now I say it too")
    for person in (ann, bob):
        await expect(person.messages).to_have_text([long, f"{long} and now I say it too"])


@pytest.mark.long
async def test_history_is_there_for_who_comes_later(company: Company) -> None:
    """A page that is opened later, or again, shows the earlier messages."""
    ann = await company.invite("Ann")
    await ann.say("One", "Two")
    bo = await company.invite("Bo")
    await expect(bo.messages).to_have_text(["One", "Two"])
    await ann.page.reload()
    await ann.is_online()  # the name is remembered
    await expect(ann.messages).to_have_text(["One", "Two"])


@pytest.mark.long
async def test_typing_is_seen_and_moves_nothing(company: Company) -> None:
    """The name of a typing person is in a reserved place, until the message arrives."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await expect(ann.notices).to_have_text(["Bo joined"])
    before = await ann.composer.bounding_box(), await ann.notices.bounding_box()
    await expect(ann.typing).to_be_hidden()
    await bo.composer.press_sequentially("He")
    await expect(ann.typing).to_contain_text("Bo is typing…")
    await expect(ann.typing).to_be_visible()
    assert (await ann.composer.bounding_box(), await ann.notices.bounding_box()) == before
    await expect(bo.typing).to_be_hidden()
    await bo.say("Hello")
    await expect(ann.messages).to_have_text(["Hello"])
    await expect(ann.typing).to_be_hidden()


@pytest.mark.long
async def test_html_is_shown_as_text(company: Company) -> None:
    """Text that looks like HTML is shown as text, in messages and in names."""
    ann = await company.invite("Ann")
    bo = await company.invite("<b onclick=x>Bo</b>")
    await expect(ann.notices).to_have_text(["<b onclick=x>Bo</b> joined"])
    await ann.say(HTML)
    await bo.say(HTML)
    for person in (ann, bo):
        await expect(person.messages).to_have_text([HTML, HTML])
        await expect(person.page.locator("main img, main b")).to_have_count(0)
        await expect(person.page).to_have_title("#lobby · Bennu chat")


async def test_pages_come_back_after_the_server_was_killed(
    company: Company, server: DemoProcess
) -> None:
    """Both pages say that the server is gone, reconnect by themselves, and neither lose nor double a message."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await ann.say("Before")
    await bo.say("Before, too")
    await expect(ann.messages).to_have_text(["Before", "Before, too"])

    await server.kill()
    for person in (ann, bo):
        await expect(person.banner).to_have_text("No connection. Trying again…")
        await expect(person.banner).to_be_visible()
        await expect(person.page.locator("#me-state")).to_have_text("Offline")
    await ann.write("Meanwhile")
    await expect(ann.unsent).to_have_text("Meanwhile")
    await expect(ann.page.get_by_text("Will send when you are back online.")).to_be_visible()
    await expect(ann.messages).to_have_count(2)

    await server.start()
    for person in (ann, bo):
        await person.is_online()
        await expect(person.messages).to_have_text(["Before", "Before, too", "Meanwhile"])
    await expect(ann.unsent).to_have_count(0)
    await bo.say("After")
    for person in (ann, bo):
        everything = ["Before", "Before, too", "Meanwhile", "After"]
        await expect(person.messages).to_have_text(everything)
        await expect(person.banner).to_be_hidden()
        # They loaded nothing again, went on from their positions, and reconnected by WebSocket.
        assert person.pushes.count("latest") == 1
        assert [join["recovery"].get("offset") for join in person.joins] == [None, 2]
        assert person.sockets > 1
        assert person.polls == 0


@pytest.mark.long
async def test_rooms_are_kept_apart_and_show_what_is_unread(company: Company) -> None:
    """Messages in another room mark that room in the list, and are shown in that room."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo", "python")
    await expect(bo.page).to_have_title("#python · Bennu chat")
    await ann.say("In the lobby")
    await bo.say("In the other room")
    await expect(ann.messages).to_have_text(["In the lobby"])
    await expect(ann.room("python")).to_contain_text("unread")
    await expect(ann.room("python")).to_contain_text("Bo: In the other room")
    await expect(ann.room("lobby")).not_to_contain_text("unread")
    await ann.room("python").click()
    await expect(ann.messages).to_have_text(["In the other room"])
    await expect(ann.room("python")).not_to_contain_text("unread")
    await expect(bo.notices).to_have_text(["Ann joined"])
    await ann.page.go_back()
    await expect(ann.messages).to_have_text(["In the lobby"])
    await expect(bo.notices).to_have_text(["Ann left"])
    # It did not load the messages of the lobby again: it went on from its position.
    assert ann.pushes.count("latest") == 2
    assert [join["recovery"].get("offset") for join in ann.joins] == [None, None, 1]


@pytest.mark.long
async def test_new_room(company: Company) -> None:
    """A room is opened for everyone. An invalid name is refused with a text."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    await ann.page.get_by_role("button", name="New room").click()
    name = ann.page.get_by_role("textbox", name="Name of the room")
    await name.fill("no/room")
    await name.press("Enter")
    dialog = ann.page.get_by_role("dialog", name="New room")
    await expect(dialog.get_by_role("alert")).to_have_text(
        "Use up to 24 letters and digits, with single hyphens between them."
    )
    await name.fill("Summer Party")
    await name.press("Enter")
    await expect(dialog).to_be_hidden()
    await expect(ann.page.get_by_role("heading", name="summer-party", exact=True)).to_be_visible()
    await expect(ann.people).to_have_count(1)  # who is there before is no news
    await bo.room("summer-party").click()
    await expect(ann.notices).to_have_text(["Bo joined"])


@pytest.mark.long
async def test_room_that_is_not_there(company: Company) -> None:
    """The page says that the room does not exist, and has no box to write in."""
    ann = await company.invite("Ann")
    await ann.page.evaluate("location.hash = 'nowhere'")
    await expect(ann.page.get_by_text("There is no room with this name.")).to_be_visible()
    await expect(ann.composer).to_be_disabled()
    await ann.room("lobby").click()
    await ann.say("Back")


@pytest.mark.long
async def test_refused_message_is_not_lost(company: Company) -> None:
    """The page shows the server's reason. The text can be sent again, which is a new attempt, and can be changed."""
    ann = await company.invite("Ann")
    await ann.write("\x1f")  # this is a space for Python, and none for JavaScript
    await expect(ann.page.get_by_text("Not sent. The message is empty.")).to_be_visible()
    await ann.page.get_by_role("button", name="Try again").click()
    await expect(ann.page.get_by_text("Not sent. The message is empty.")).to_be_visible()
    assert len(set(ann.keys)) == 2
    await ann.page.get_by_role("button", name="Edit").click()
    await expect(ann.composer).to_have_value("\x1f")
    await expect(ann.unsent).to_have_count(0)
    await ann.say("Something")
    await expect(ann.messages).to_have_text(["Something"])


@pytest.mark.parametrize("character", ["x", "🙂"])
@pytest.mark.long
async def test_message_over_the_limit_cannot_be_sent(company: Company, character: str) -> None:
    """The page counts as the server does, shows how many characters are left, and sends only text that fits."""
    ann = await company.invite("Ann")
    count = ann.page.locator("#composer-count")
    send = ann.page.get_by_role("button", name="Send")
    await ann.composer.fill(character * 1799)
    await expect(count).to_be_hidden()
    await ann.composer.fill(character * 1990)
    await expect(count).to_have_text("10 left")
    await ann.composer.fill(character * 2001)
    await expect(count).to_have_text("1 too many")
    await expect(send).to_be_disabled()
    await ann.composer.press("Enter")
    await expect(ann.composer).to_have_value(character * 2001)
    await expect(ann.composer).to_have_attribute("aria-invalid", "true")
    await ann.composer.fill(character * 2000)
    await expect(count).to_have_text("0 left")
    await ann.composer.press("Enter")
    await expect(ann.messages).to_have_text(character * 2000)
    await expect(ann.unsent).to_have_count(0)


WRITE_AT_ONCE: Final = """
(box, texts) => {
  for (const text of texts) {
    box.value = text;
    box.form.requestSubmit();
  }
}
"""


@pytest.mark.long
async def test_who_writes_too_fast_waits_and_loses_nothing(company: Company) -> None:
    """The page says why, and sends the rest in order as soon as the server allows it."""
    ann = await company.invite("Ann")
    bo = await company.invite("Bo")
    texts = [str(number) for number in range(36)]  # the last ones wait for some seconds
    await ann.composer.evaluate(WRITE_AT_ONCE, texts)
    await expect(
        ann.page.get_by_text("You are sending fast. Will send in a moment.")
    ).to_be_visible()
    await expect(ann.page.get_by_text("Not sent")).to_have_count(0)
    for person in (ann, bo):
        await expect(person.messages).to_have_text(texts)
    await expect(ann.unsent).to_have_count(0)


SUBMIT_UNTIL_REFUSED: Final = """
async (box) => {
  const problem = document.getElementById("room-error");
  while (!problem.textContent.startsWith("You are too fast")) {
    problem.textContent = "";
    box.form.requestSubmit();
    while (!problem.textContent) await new Promise((resolve) => setTimeout(resolve));
  }
  return problem.textContent;
}
"""


@pytest.mark.long
async def test_who_opens_too_many_rooms_is_told_when_to_go_on(company: Company) -> None:
    """A refusal by a rate says how long to wait."""
    ann = await company.invite("Ann")
    await ann.page.get_by_role("button", name="New room").click()
    name = ann.page.get_by_role("textbox", name="Name of the room")
    await name.fill("no/room")
    answer: Any = await name.evaluate(SUBMIT_UNTIL_REFUSED)
    assert re.fullmatch(
        "You are too fast. Please wait (a second|[2-6] seconds), and try again.", answer
    )


@pytest.mark.long
async def test_long_message_in_the_box_keeps_the_end_in_sight(company: Company) -> None:
    """A page at the end of the conversation stays at the end, for each height of the box."""
    ann = await company.invite("Ann", viewport=NARROW)
    await ann.say(*(f"Message {number}" for number in range(15)))
    for text in ("line\n" * 20, "word " * 300, "line\n" * 30, "short", ""):
        await ann.composer.fill(text)
        await expect(ann.messages.last).to_be_in_viewport(ratio=1)
        await expect(ann.page.locator("#jump")).to_be_hidden()


@pytest.mark.long
async def test_enter_sends_and_shift_enter_does_not(company: Company) -> None:
    """A message can have several lines, and can be sent without a mouse."""
    ann = await company.invite("Ann")
    await expect(ann.composer).to_be_focused()
    await ann.page.keyboard.type("One")
    await ann.page.keyboard.press("Shift+Enter")
    await ann.page.keyboard.type("Two")
    await expect(ann.composer).to_have_value("One\nTwo")
    await ann.page.keyboard.press("Enter")
    await expect(ann.messages).to_have_text(["One\nTwo"])


@pytest.mark.long
async def test_who_reads_above_is_not_disturbed(company: Company) -> None:
    """New messages don't move the conversation. A button counts them and leads to them."""
    ann = await company.invite("Ann", viewport={"width": 1280, "height": 480})
    bo = await company.invite("Bo")
    await bo.say(*(f"Message {number}" for number in range(12)))
    last = ann.messages.last
    await expect(last).to_have_text("Message 11")
    await expect(last).to_be_in_viewport()  # at the end, the page stays at the end
    await ann.scroll_to_the_top()
    jump = ann.page.get_by_role("button", name="To the latest message")
    await expect(jump).to_be_visible()
    await bo.say("News", "More news")
    await expect(ann.page).to_have_title("(2) #lobby · Bennu chat")
    await expect(ann.messages.first).to_be_in_viewport()
    await expect(last).not_to_be_in_viewport()
    await ann.page.get_by_role("button", name="2 new messages").click()
    await expect(last).to_be_in_viewport()
    await expect(last).to_have_text("More news")
    await expect(ann.page).to_have_title("#lobby · Bennu chat")
    await expect(ann.page.locator("#jump")).to_be_hidden()


@pytest.mark.long
async def test_narrow_window(company: Company) -> None:
    """On a phone the list of rooms is a drawer, and nothing is wider than the screen."""
    ann = await company.invite("Ann", viewport=NARROW, has_touch=True, color_scheme="dark")
    bo = await company.invite("Bo")
    rooms = ann.page.get_by_role("navigation", name="Rooms")
    await expect(rooms).to_be_hidden()
    await bo.say("A word that is longer than the screen is wide: " + "wide" * 40)
    await expect(ann.messages).to_have_count(1)
    await expect(ann.messages).to_be_in_viewport()
    await ann.page.get_by_role("button", name="Rooms").tap()
    await expect(rooms).to_be_visible()
    await ann.room("coffee").tap()
    await expect(rooms).to_be_hidden()
    await ann.composer.fill("With milk")
    await ann.page.get_by_role("button", name="Send").tap()
    await expect(ann.messages).to_have_text(["With milk"])
    await expect(ann.composer).to_be_in_viewport(ratio=1)
    for width in (390, 320):
        await ann.page.set_viewport_size({"width": width, "height": 700})
        assert await ann.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.long
async def test_colours_follow_the_system(company: Company) -> None:
    """The page is light or dark as the system is."""
    ann = await company.invite("Ann")
    schemes: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
    brightness = {}
    for scheme in schemes:
        await ann.page.emulate_media(color_scheme=scheme)
        colour = await ann.page.evaluate(
            "getComputedStyle(document.querySelector('main')).backgroundColor"
        )
        brightness[scheme] = sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))
    assert brightness["dark"] < 150 < 600 < brightness["light"]
