"""Sessions of long polling for tests, reached in this process or through PubSub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple

from bennu import Channel, Endpoint, LongPoll
from bennu.bus import MemoryNetwork
from bennu.testing.polling import Browser
from bennu.transports.longpoll.tokens import SessionName, SessionTokens
from tests.support.frames import frames_of, joining, ok, reply
from tests.support.memory import Server, endpoint_of, serve

__all__ = ["SECRET", "Polling", "Reach", "joined", "polling", "token_of"]

SECRET: Final = "a secret that both of the endpoints know"

Reach = Literal["here", "elsewhere"]
"""Where a session is, as seen from where its requests go."""


class Polling(NamedTuple):
    """A server, and a client of it.

    Attributes:
        server: Where sessions begin.
        browser: Whose requests go on there, or to another node.
        elsewhere: That one.
    """

    server: Server
    browser: Browser
    elsewhere: Endpoint


@asynccontextmanager
async def polling(
    reach: Reach,
    channels: Mapping[str, type[Channel[Any, Any]]],
    *,
    longpoll: LongPoll | bool = True,
    params: Mapping[str, str] | None = None,
    vsn: str | None = "2.0.0",
    network: MemoryNetwork | None = None,
    **options: Any,
) -> AsyncIterator[Polling]:
    """Serve channels to clients that poll.

    With a network that is given, messages may be lost between the nodes ``one`` and ``two``.
    """
    options = {"longpoll": longpoll, "secret_key": SECRET, **options}
    lossy = network is not None
    network = network or MemoryNetwork()
    endpoint = endpoint_of(channels, pubsub=network.adapter("one"), **options)
    async with serve(endpoint, lossy=lossy) as server:
        elsewhere = endpoint_of(channels, pubsub=network.adapter("two"), **options)
        await elsewhere.start()
        target = server.endpoint if reach == "here" else elsewhere
        browser = Browser(server.endpoint, elsewhere=target, params=params, vsn=vsn)
        yield Polling(server, browser, elsewhere)
        await elsewhere.stop()


async def joined(browser: Browser, topic: str = "room:1", join_ref: str = "1") -> str:
    """Begin a session, join a topic, and return the session's token."""
    token = await browser.begin()
    assert await browser.post(token, joining(join_ref, topic)) == {"status": 200}
    assert frames_of(await browser.get(token)) == [reply(join_ref, join_ref, topic, ok())]
    return token


def token_of(
    topic: str,
    *,
    mount: str = "/socket",
    node: str = "one",
    secret: str = SECRET,
    max_age: float = 60,
) -> str:
    return SessionTokens(secret).make(SessionName(topic, mount, node), max_age)
