"""People write while their connections are cut. At the end all have the same text, and nothing is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from pycrdt import create_update_message

from bennu import Endpoint
from bennu.client import Backoff, Client, RemoteChannel
from bennu_demos.document.app import make, with_page
from bennu_demos.document.keys import id_of
from bennu_demos.document.merging import merge
from tests.recovery.proxy import Proxy
from tests.support.servers import serve
from tests.support.until import pause, until

from .seat import KEY, TOPIC
from .writer import Writer

pytestmark = pytest.mark.clock("real")

SOON = Backoff((0.05,))


class Editor:
    """A person with a connection of the network.

    Args:
        name: A letter: the person writes it, with numbers.
        client: The connection.

    Attributes:
        writer: The page.
        written: The words that the person has written and not deleted.
    """

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.client = client
        self.writer = writer = Writer(name)
        self.written: set[str] = set()
        self._count = 0
        joining = {"client": writer.client, "name": name, "key": KEY}
        self.room: RemoteChannel = client.channel(TOPIC, joining)
        self.room.on("yjs", writer.receive)
        self.room.on_join(self._joined)
        self.room.on_error(lambda _: writer.lost())
        _ = self.room.join()

    def _joined(self, *_: object) -> None:
        self.writer.joined(self.room.push)

    def write(self, random: Random) -> None:
        """Write a word somewhere, or delete an own word; also without a connection."""
        text = self.writer.text
        if self.written and random.random() < 0.2:
            word = random.choice(sorted(self.written))
            self.written.remove(word)
            start = text.index(word)  # the text is ASCII: bytes are letters
            self.writer.erase(start, start + len(word))
            return
        self._count += 1
        word = f"<{self.name}{self._count}>"
        self.written.add(word)
        ends = [at + 1 for at, letter in enumerate(text) if letter == ">"]
        self.writer.write(word, at=random.choice([0, *ends]))
        self.writer.point()

    async def go_on(self, random: Random) -> None:
        """Write again and again."""
        while True:
            self.write(random)
            for _ in range(random.randrange(20, 200)):
                await pause()


async def live(endpoint: Endpoint, editors: int, go_on: Callable[[int], bool], seed: int) -> int:
    """Let people write as long as ``go_on(cuts)``; check their texts; return the number of words."""
    random = Random(seed)
    async with serve("native", endpoint.wrap(with_page(endpoint))) as server:
        await endpoint.state.store.create(id_of(KEY))
        proxy = Proxy(lambda: server.port, random)
        url = f"{await proxy.start()}/socket"
        people = [
            Editor(chr(ord("a") + number), Client(url, reconnect=SOON, rejoin=SOON))
            for number in range(editors)
        ]
        for one in people:
            await one.client.opened()
        tasks = [asyncio.create_task(one.go_on(random)) for one in people]
        cuts = 0
        while go_on(cuts):
            for _ in range(random.randrange(100, 400)):
                await pause()
            cuts += proxy.cut(0.2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        proxy.cut(0.5)  # some have edits that are not sent
        await until(lambda: all(one.writer.has_answered for one in people))
        await until(lambda: len({one.writer.text for one in people}) == 1)
        text = people[0].writer.text
        for one in people:
            await one.client.close()
        await proxy.stop()
        words = {word for one in people for word in one.written}
        assert {f"<{part}" for part in text.split("<")[1:]} == words, (
            "nothing is lost, nothing twice"
        )
        assert len(text) == sum(map(len, words))
        stored = await endpoint.state.store.read(id_of(KEY))
    reader = Writer("reader")
    reader.receive(create_update_message(merge(stored.updates)))
    assert reader.text == text, "the database has it, too"
    return len(words)


@pytest.mark.timeout(180)
@pytest.mark.long
async def test_five_people_write_through_cuts(database: Path) -> None:
    assert await live(make(database), editors=5, go_on=lambda cuts: cuts < 6, seed=1) > 10


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_twenty_people_write_through_cuts_for_two_minutes(database: Path) -> None:
    loop = asyncio.get_running_loop()
    end, made = loop.time() + 120, 0

    def go_on(cuts: int) -> bool:
        nonlocal made
        made = cuts
        return loop.time() < end

    words = await live(make(database), editors=20, go_on=go_on, seed=2)
    logging.getLogger(__name__).warning("%s cuts, %s words", made, words)
    assert made > 20  # hundreds, on a machine that does nothing else
    assert words > 100
