"""New projects do what they promise: types, tests, the commands of the README, a client, and people in a browser.

CI runs one of them as a whole.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, expect
from websockets.exceptions import InvalidStatus

from tests.support import wire
from tests.support.browser import open_browser
from tests.support.servers import Server

from .project import Project, call

pytestmark = pytest.mark.clock("real")

PASSWORD: Final = "correct horse 9"
WHOLE: Final = [
    pytest.param("starlette"),
    *(pytest.param(one, marks=pytest.mark.long) for one in ("fastapi", "django", "bare")),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """Make a project with an environment of its own, and run the first command of its README. Each is made once."""
    projects: dict[str, Project] = {}

    def make(variant: str) -> Project:
        if variant not in projects:
            folder = tmp_path_factory.mktemp(variant)
            options = [] if variant == "starlette" else [f"--{variant}"]
            call("new", str(folder / "shop"), *options)
            project = projects[variant] = Project(folder / "shop", folder / "venv")
            project.run(project.commands[0])
        return projects[variant]

    return make


@pytest.mark.long
@pytest.mark.parametrize("variant", WHOLE)
@pytest.mark.timeout(300)
def test_types_are_right(made: Callable[[str], Project], variant: str) -> None:
    made(variant).check_types()


@pytest.mark.parametrize("variant", WHOLE)
@pytest.mark.timeout(300)
def test_its_tests_pass(made: Callable[[str], Project], variant: str) -> None:
    assert re.fullmatch(r"\d+ passed in .*", made(variant).test())


# Tokens: how a client gets one from each project.


async def token_by_name(project: Project, server: Server) -> str:
    """Sign in with a name."""
    async with httpx.AsyncClient(base_url=server.url("", "http")) as http:
        assert (await http.post("/session", json={"name": "Ann"})).status_code == 204
        return str((await http.get("/session")).json()["token"])


async def token_by_account(project: Project, server: Server) -> str:
    """Make an account of Django, through the form."""
    async with httpx.AsyncClient(base_url=server.url("", "http")) as http:
        await http.get("/signup")
        form = {
            "csrfmiddlewaretoken": http.cookies["csrftoken"],
            "username": "eve",
            "password1": PASSWORD,
            "password2": PASSWORD,
        }
        assert (await http.post("/signup", data=form)).status_code == 302
        return str((await http.get("/session")).json()["token"])


async def token_by_command(project: Project, server: Server) -> str:
    """Print one."""
    return project.run("python -m shop Ann").strip()


TOKENS: Final[dict[str, tuple[str, Callable[[Project, Server], Awaitable[str]]]]] = {
    "starlette": ("/socket", token_by_name),
    "fastapi": ("/rt/socket", token_by_name),
    "django": ("/socket", token_by_account),
    "bare": ("/socket", token_by_command),
}


@pytest.mark.parametrize("variant", WHOLE)
@pytest.mark.timeout(300)
async def test_a_client_with_a_token_joins(made: Callable[[str], Project], variant: str) -> None:
    """The second command of the README serves. Only a client with a token gets in."""
    project = made(variant)
    path, get_token = TOKENS[variant]
    async with project.serve(project.commands[1]) as server:
        token = await get_token(project, server)
        async with wire.connect(server, path, params={"token": token}) as client:
            joined = await client.join("room:lobby")
            assert joined == {"status": "ok", "response": {"messages": []}}
        with pytest.raises(InvalidStatus) as refused:
            async with wire.connect(server, path, params={"token": f"{token}x"}):
                pass
        assert refused.value.response.status_code == 403


# People


@asynccontextmanager
async def window(server: Server, browser: BrowserContext, name: str) -> AsyncIterator[Page]:
    """Open the page, and sign in. No script may fail, and the policy of the page must block nothing."""
    page = await browser.new_page()
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on(
        "console",
        lambda line: mistakes.append(line.text) if "Content Security Policy" in line.text else None,
    )
    await page.goto(server.url("/", "http"))
    await page.wait_for_url("**/login*")
    if await page.get_by_role("link", name="Sign up").count():
        await page.get_by_role("link", name="Sign up").click()
        await page.get_by_label("Username").fill(name)
        await page.get_by_label("Password:", exact=True).fill(PASSWORD)
        await page.get_by_label("Password confirmation").fill(PASSWORD)
        await page.get_by_role("button", name="Sign up").click()
    else:
        await page.get_by_label("Your name").fill(name)
        await page.get_by_role("button", name="Enter").click()
    await expect(page.get_by_text("Online")).to_be_visible()
    yield page
    assert mistakes == []


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


@pytest.mark.browser
@pytest.mark.parametrize("variant", WHOLE[:-1])
@pytest.mark.timeout(300)
@pytest.mark.long
async def test_two_people_in_a_browser(made: Callable[[str], Project], variant: str) -> None:
    """They see each other and what they write, as text; one goes offline and comes back; one signs out."""
    project = made(variant)
    expect.set_options(timeout=20_000)
    async with (
        project.serve(project.commands[1]) as server,
        open_browser() as one,
        open_browser(viewport={"width": 390, "height": 780}, color_scheme="dark") as two,
        window(server, one, "Ann") as ann,
        window(server, two, "Bo") as bo,
    ):
        for page in (ann, bo):
            await expect(page.get_by_label("Here now").get_by_role("listitem")).to_have_count(2)
            await expect(page.locator("body")).to_have_js_property("scrollWidth", await width(page))
        await say(ann, "<b>Hello</b>")
        await expect(bo.get_by_text("<b>Hello</b>")).to_be_visible()
        await one.set_offline(True)
        await expect(ann.get_by_text("Offline")).to_be_visible()
        await say(ann, "Written offline")
        await say(bo, "Are you there?")
        await one.set_offline(False)
        for text in ("Written offline", "Are you there?"):
            for page in (ann, bo):
                found = page.get_by_label("Conversation").get_by_text(text)
                await expect(found).to_have_count(1)
        await expect(ann.get_by_label("Not sent yet").get_by_role("listitem")).to_have_count(0)
        await ann.reload()
        await expect(ann.get_by_text("Are you there?")).to_be_visible()
        await bo.get_by_role("button", name="Sign out").click()
        await bo.wait_for_url("**/login*")
        await expect(ann.get_by_label("Here now").get_by_role("listitem")).to_have_count(1)


async def width(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.clientWidth"))
