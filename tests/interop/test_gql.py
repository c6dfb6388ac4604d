"""gql with its PhoenixChannelWebsocketsTransport: V1, one channel, `__absinthe__:control`.

The client sends its refs as numbers, and no join_ref. The channel answers as Absinthe does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.exceptions import (
    TransportConnectionFailed,
    TransportQueryError,
    TransportServerError,
)
from gql.transport.phoenix_channel_websockets import PhoenixChannelWebsocketsTransport
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.interop.client_log import ClientLog, ListenToLog
from tests.interop.program import PATIENCE, Server
from tests.support.frames import PHX_LEAVE, PHX_REPLY

pytestmark = pytest.mark.interop

GREETING = "query ($name: String!) { greeting(name: $name) }"
SAY = "mutation ($text: String!) { say(text: $text) }"


@pytest.fixture
def log(listen_to_log: ListenToLog) -> ClientLog:
    """The client's log: the frames that it sends, `>>>`, and receives, `<<<`."""
    return listen_to_log("gql.transport")


def transport(server: Server, user: str = "gql", **options: Any) -> Any:
    return PhoenixChannelWebsocketsTransport(
        f"{server.url}/graphql/websocket?user={user}", **options
    )


@asynccontextmanager
async def connected(transport: Any) -> AsyncIterator[Any]:
    async with asyncio.timeout(PATIENCE), Client(transport=transport) as session:
        yield session


def document(source: str, /, **variables: Any) -> Any:
    request = gql(source)
    request.variable_values = variables
    return request


async def test_executes_documents(server: Server) -> None:
    """A query and a mutation are answered. A document with mistakes raises an error that lists them."""
    async with connected(transport(server)) as session:
        assert await session.execute(document(GREETING, name="Ann")) == {"greeting": "Hello, Ann!"}
        assert await session.execute(document(SAY, text="hi")) == {"say": "hi"}
        with pytest.raises(TransportQueryError, match="Cannot query field 'farewell'"):
            await session.execute(document("{ farewell }"))


async def test_is_refused(server: Server) -> None:
    """A refused join raises an error with its reason, as does a join without a channel."""
    with pytest.raises(TransportQueryError, match="unauthorized"):
        async with connected(transport(server, "mallory")):
            pytest.fail("it joined")
    with pytest.raises(TransportQueryError, match="unmatched topic"):
        async with connected(transport(server, channel_name="__absinthe__:other")):
            pytest.fail("it joined")


async def test_hears_what_it_subscribes_to(server: Server, log: ClientLog) -> None:
    """Each of two clients gets the other's results, until it unsubscribes."""
    async with connected(transport(server)) as ann, connected(transport(server)) as bob:
        heard: dict[str, list[str]] = {"ann": [], "bob": []}
        listening = [
            asyncio.create_task(listen(session, heard[name]))
            for session, name in ((ann, "ann"), (bob, "bob"))
        ]
        for _ in listening:
            await log.wait_for(r'<<< .*"response":{"subscriptionId":')
        await ann.execute(document(SAY, text="from ann"))
        await bob.execute(document(SAY, text="from bob"))
        await ann.execute(document(SAY, text="enough"))
        await asyncio.gather(*listening)
        assert heard == {"ann": ["from ann", "from bob"], "bob": ["from ann", "from bob"]}
        # The client takes data of an ended subscription for a protocol error, and would close.
        assert await ann.execute(document(SAY, text="to nobody")) == {"say": "to nobody"}
        assert await bob.execute(document(GREETING, name="Bob")) == {"greeting": "Hello, Bob!"}


async def listen(session: Any, heard: list[str]) -> None:
    said = session.subscribe(document("subscription { said }"))
    async for result in said:
        if result["said"] == "enough":
            break
        heard.append(result["said"])
    await said.aclose()


async def test_sends_heartbeats(server: Server, log: ClientLog) -> None:
    """Each heartbeat is answered, as the client's log shows."""
    async with connected(transport(server, heartbeat_interval=0.01)) as session:
        await log.wait_for(rf'<<< .*"topic":"phoenix","event":"{PHX_REPLY}".*"status":"ok"')
        assert await session.execute(document(GREETING, name="Ann")) == {"greeting": "Hello, Ann!"}


async def test_leaves(server: Server, log: ClientLog) -> None:
    """The client leaves its channel before it closes."""
    async with connected(transport(server)):
        pass
    await log.wait_for(f'>>> .*"event": "{PHX_LEAVE}"')


async def test_comes_back(server: Server) -> None:
    """With `reconnecting=True` it reconnects after a close of the connection, and after a crash of its channel.

    The client takes a crash of the channel for an error of the server, and closes the connection.
    """
    retry_execute = retry(
        retry=retry_if_exception_type(TransportConnectionFailed),
        wait=wait_fixed(0.01),
        stop=stop_after_delay(PATIENCE),
    )
    client: Any = Client(transport=transport(server, "gql-back"))
    session = await client.connect_async(reconnecting=True, retry_execute=retry_execute)
    greeting = document(GREETING, name="Ann")
    try:
        async with asyncio.timeout(PATIENCE):
            assert await session.execute(greeting) == {"greeting": "Hello, Ann!"}
            async with connected(transport(server, "gql-back")) as other:
                with pytest.raises(TransportConnectionFailed):
                    await other.execute(document('mutation Disconnect { say(text: "bye") }'))
            assert await session.execute(greeting) == {"greeting": "Hello, Ann!"}
            with pytest.raises(TransportServerError):
                await session.execute(document('mutation Crash { say(text: "bye") }'))
            assert await session.execute(greeting) == {"greeting": "Hello, Ann!"}
    finally:
        await client.close_async()
