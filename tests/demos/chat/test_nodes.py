"""The chat on several processes and hosts, in real browser windows. Its code is that of one process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from bennu import Endpoint
from bennu.bus import BusAdapter
from bennu.store import Store
from bennu.testing import nodes
from bennu_demos.chat.app import make
from tests.support.brokers.postgresql import postgresql
from tests.support.brokers.redis import redis_server

from ..process import DemoProcess
from .guests import LOBBY, QUICK, follow, say, visit
from .serving import run_chat
from .windows import Company

BURST: Final = 20
"""Messages that a person can send at once."""
JOINED: Final = re.compile(r"worker (\d+): JOINED (\S+)")

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


class Place:
    """What the processes of the chat share.

    Attributes:
        pubsub: The address of the bus.
        database: The database.
    """

    def __init__(self, pubsub: str, database: Path | str) -> None:
        self.pubsub = pubsub
        self.database = database


@contextmanager
def one_host(folder: Path) -> Iterator[Place]:
    """Unix sockets, and a file of SQLite."""
    with TemporaryDirectory(prefix="ipc-") as directory:
        yield Place(f"ipc://{directory}", folder / "chat.db")


@contextmanager
def several_hosts(folder: Path) -> Iterator[Place]:
    """Redis and PostgreSQL, which processes on any host reach."""
    del folder
    with redis_server() as redis, postgresql() as database:
        yield Place(
            redis.address, database.address.replace("postgresql://", "postgresql+asyncpg://")
        )


@pytest.fixture(params=[one_host, pytest.param(several_hosts, marks=pytest.mark.long)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with request.param(tmp_path) as place:
        yield place


@pytest.fixture
async def companies(browser: Browser, place: Place) -> AsyncIterator[list[Company]]:
    """Two processes of the chat, each with people who have a window."""
    async with AsyncExitStack() as stack:
        starting = [run_chat(place.database, pubsub=place.pubsub) for _ in range(2)]
        servers = [await stack.enter_async_context(one) for one in starting]
        companies = [Company(browser, server.url) for server in servers]
        yield companies
        for company in companies:
            await company.end()


@pytest.mark.long
async def test_people_on_two_nodes_chat(companies: list[Company]) -> None:
    """Both see all messages in one order, who types, who is here and who is away, new rooms, and what is unread."""
    here, there = companies
    ann = await here.invite("Ann")
    bo = await there.invite("Bo")
    for person in (ann, bo):
        names = (
            ["Ann you online", "Bo online"] if person is ann else ["Ann online", "Bo you online"]
        )
        await expect(person.listed).to_have_text(names)
        await expect(person.room("lobby")).to_contain_text("2 here")
    await expect(ann.notices).to_have_text(["Bo joined"])

    said = []
    for number in range(3):
        for person in (ann, bo):
            said.append(f"{person.name} {number}")
            await person.say(said[-1])
    for person in (ann, bo):
        await expect(person.messages).to_have_text(said)

    await bo.composer.press_sequentially("He")
    await expect(ann.typing).to_contain_text("Bo is typing…")
    await bo.hide()
    await expect(ann.people.filter(has_text="Bo")).to_have_attribute("data-status", "away")
    await bo.hide(is_hidden=False)
    await expect(ann.people.filter(has_text="Bo")).to_have_attribute("data-status", "online")

    phone = await here.invite("Bo")  # another device, on the other node
    await expect(phone.messages).to_have_text(said)
    await expect(ann.people.filter(has_text="Bo")).to_contain_text("2 devices")
    await expect(ann.notices).to_have_text(["Bo joined"])
    await phone.page.close()
    await expect(ann.people.filter(has_text="Bo").locator(".person-text")).to_have_text("Bo online")

    await ann.page.get_by_role("button", name="New room").click()
    await ann.page.get_by_role("textbox", name="Name of the room").fill("party")
    await ann.page.keyboard.press("Enter")
    await expect(ann.page).to_have_title("#party · Bennu chat")
    await ann.say("Cake")
    await expect(bo.room("party")).to_contain_text("Ann: Cake")
    await expect(bo.room("party")).to_contain_text("unread")
    await bo.room("party").click()
    await expect(bo.messages).to_have_text(["Cake"])

    await bo.page.close()
    await expect(ann.gone).to_have_text("Bo just now")


@pytest.mark.long
async def test_a_join_misses_no_message_of_another_node(tmp_path: Path) -> None:
    """Each page has all messages in order, whenever it came: loaded, as a broadcast, or both."""

    def make_chat(pubsub: BusAdapter, store: Store) -> Endpoint:
        del store  # the histories are in the database of the chat
        return make(tmp_path / "chat.db", pubsub=pubsub, hasher=QUICK)

    async with nodes(make_chat, 2) as (here, there), AsyncExitStack() as stack:
        ann = await stack.enter_async_context(visit(here.endpoint, "Ann"))
        lobby = await ann.join(LOBBY)
        pages = [await stack.enter_async_context(visit(there.endpoint, "Bo")) for _ in range(15)]
        following = [asyncio.create_task(follow(page, BURST)) for page in pages]
        said = [await say(lobby, str(number)) for number in range(BURST)]
        assert await asyncio.gather(*following) == [said] * len(pages)


def workers_of(server: DemoProcess, topic: str) -> set[str]:
    """Return the workers at which clients have joined a topic."""
    found = (JOINED.search(line) for line in server.lines)
    return {joined[1] for joined in found if joined is not None and joined[2] == topic}


def kill_worker(server: DemoProcess) -> None:
    """Kill one of the workers, which are the children of the process."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)


@pytest.mark.long
async def test_people_on_two_workers_chat_while_one_is_killed(
    browser: Browser, tmp_path: Path
) -> None:
    """`bennu run --workers 2`: nobody sees which worker has whom. The people of a killed worker come back, and miss nothing."""
    killed = "was killed by SIGKILL"
    async with run_chat(tmp_path / "chat.db", workers=2, expected=killed) as server:
        company = Company(browser, server.url)
        while len(workers_of(server, "room:lobby")) < 2:
            await company.invite(f"Guest {len(company.people)}")
        names = sorted(person.name for person in company.people)
        for person in company.people:
            await expect(person.people).to_have_count(len(names))
            await person.say(f"I am {person.name}")
        said = [f"I am {name}" for name in names]
        for person in company.people:
            await expect(person.messages).to_have_text(said)

        kill_worker(server)
        for person in company.people:
            await person.say("Still here")
        for person in company.people:
            await person.is_online()
            await expect(person.messages).to_have_text([*said, *("Still here" for _ in names)])
            await expect(person.people).to_have_count(len(names))
        assert sum(killed in line for line in server.lines) == 1
        await company.end()
