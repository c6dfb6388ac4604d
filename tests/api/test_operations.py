"""The HTTP API and topics with history."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bennu import Api, Channel, Endpoint, History, Socket
from bennu.bus import BusAdapter, MemoryNetwork
from bennu.reasons import APIReason
from bennu.testing.clock import advance

from ..support.frames import PHX_CLOSE, broadcast, push
from ..support.memory import Server, serve
from ..support.stores import SharedStore
from .test_http import KEY, client_of, refused


class LoggedRoom(Channel[Any]):
    """A room with history."""

    history = History(size=100)


class PlainRoom(Channel[Any]):
    """A room without history."""


def logging_endpoint(
    store: SharedStore | None = None, pubsub: BusAdapter | None = None
) -> Endpoint:
    """Return an endpoint with the API, and topics with and without history."""

    async def connect() -> None: ...

    channels = {"room:*": LoggedRoom, "plain:*": PlainRoom}
    socket: Socket[Any] = Socket(connect=connect, channels=channels)
    api = Api(keys={"billing": KEY})
    return Endpoint(sockets={"/socket": socket}, api=api, store=store, pubsub=pubsub)


@asynccontextmanager
async def logging_node(
    store: SharedStore | None = None, pubsub: BusAdapter | None = None
) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """Run such an endpoint."""
    endpoint = logging_endpoint(store, pubsub)
    async with serve(endpoint) as server, client_of(endpoint) as http:
        yield server, http


async def test_a_message_to_a_topic_with_history_is_an_entry_of_its_log() -> None:
    async with logging_node() as (server, http):
        client = await server.connect()
        reply = await client.join("room:1", {"recovery": {}})
        epoch = reply["response"]["recovery"]["epoch"]
        message = {"topic": "room:1", "event": "said", "payload": {"n": 10**20}}
        answer = (await http.post("/api/publish", json=message)).json()
        assert answer == {"position": {"epoch": epoch, "offset": 1}}
        await client.expect(broadcast("room:1", "said", {"n": 10**20}, at=f"1:{epoch}"))
        again = await server.connect()
        await again.join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
        await again.expect(push("1", "room:1", "said", {"n": 10**20}, at=f"1:{epoch}"))


async def test_messages_reach_the_clients_of_other_nodes_with_their_positions() -> None:
    network, store = MemoryNetwork(), SharedStore()
    one, two = network.adapter("one"), network.adapter("two")
    async with logging_node(store, one) as (_, http), logging_node(store, two) as (server, _):
        client = await server.connect()
        reply = await client.join("room:1", {"recovery": {}})
        epoch = reply["response"]["recovery"]["epoch"]
        messages = [
            {"topic": topic, "event": "said", "payload": {"n": n}}
            for n, topic in enumerate(("room:1", "plain:1", "room:1"))
        ]
        answer = (await http.post("/api/publish_many", json={"messages": messages})).json()
        assert answer["results"] == [
            {"position": {"epoch": epoch, "offset": 1}},
            {"nodes": 0},
            {"position": {"epoch": epoch, "offset": 2}},
        ]
        await client.expect(
            broadcast("room:1", "said", {"n": 0}, at=f"1:{epoch}"),
            broadcast("room:1", "said", {"n": 2}, at=f"2:{epoch}"),
        )


async def test_bytes_and_reserved_events_are_refused() -> None:
    async with logging_node() as (_, http):
        binary = base64.b64encode(b"\x00").decode()
        bytes_ = {"topic": "room:1", "event": "a", "binary": binary}
        body = refused(await http.post("/api/publish", json=bytes_), APIReason.UNENCODABLE)
        assert "a topic with history carries JSON objects" in body["message"]
        reserved = {"topic": "room:1", "event": PHX_CLOSE}
        refused(await http.post("/api/publish", json=reserved), APIReason.RESERVED_EVENT)


async def test_a_store_that_is_down_is_said() -> None:
    store = SharedStore()
    async with logging_node(store, MemoryNetwork().adapter("one")) as (server, http):
        store.is_down = True
        message = {"topic": "room:1", "event": "a"}
        answer = await http.post("/api/publish", json=message)
        refused(answer, APIReason.STORE_UNAVAILABLE)
        assert answer.headers["retry-after"] == "1"
        plain = {"topic": "plain:1", "event": "a"}
        many = await http.post("/api/publish_many", json={"messages": [message, plain]})
        assert [one.get("reason") for one in many.json()["results"]] == ["store_unavailable", None]
        server.logged("The store memory:// is down")
        store.is_down = False
        await advance(2)
        server.logged("is back", level=logging.WARNING)
        assert (await http.post("/api/publish", json=message)).json()["position"]["offset"] == 1


async def test_a_history_is_read_page_by_page() -> None:
    async with logging_node() as (_, http):

        async def read(**query: Any) -> Any:
            return (await http.get("/api/history", params={"topic": "room:1", **query})).json()

        messages = [
            {"topic": "room:1", "event": "said", "payload": {"n": n}} for n in (1, 2, 10**20)
        ]
        await http.post("/api/publish_many", json={"messages": messages})
        answer = await read(limit=2)
        epoch = answer["newest"]["epoch"]
        assert answer["newest"]["offset"] == 3
        assert (answer["topic"], answer["missed"]) == ("room:1", None)
        entry = answer["entries"][1]
        assert entry.pop("time").endswith("Z")
        assert entry == {
            "position": {"epoch": epoch, "offset": 3},
            "event": "said",
            "payload": {"n": 10**20},
        }
        older = await read(before=f"2:{epoch}")
        assert [one["payload"]["n"] for one in older["entries"]] == [1]
        newer = await read(since=f"1:{epoch}", limit=1)
        assert [one["payload"]["n"] for one in newer["entries"]] == [2]
        assert (await read(since="1:another"))["missed"] == "epoch"


async def test_mistakes_in_a_question_for_a_history_are_said() -> None:
    store = SharedStore()
    async with logging_node(store, MemoryNetwork().adapter("one")) as (server, http):
        for name, value in (("limit", "0"), ("limit", "x"), ("limit", "9" * 20), ("since", "x")):
            answer = await http.get("/api/history", params={"topic": "room:1", name: value})
            [mistake] = refused(answer, APIReason.INVALID_REQUEST)["errors"]
            assert mistake["path"] == name
        plain = await http.get("/api/history", params={"topic": "plain:1"})
        refused(plain, APIReason.NO_HISTORY)
        store.is_down = True
        down = await http.get("/api/history", params={"topic": "room:1"})
        refused(down, APIReason.STORE_UNAVAILABLE)
        server.logged("The store memory:// is down")


async def test_accounts_of_one_topic_or_of_all() -> None:
    async with logging_node() as (server, http):
        client = await server.connect()
        await client.join("room:1")
        await client.join("plain:1")
        await http.post("/api/publish", json={"topic": "room:1", "event": "said"})
        await client.expect(broadcast("room:1", "said", {}))
        one = (await http.get("/api/accounts", params={"topic": "room:1"})).json()
        assert one["node"] == server.endpoint.node
        assert one["accounts"].keys() == {"room:1"}
        assert (one["accounts"]["room:1"]["due"], one["accounts"]["room:1"]["delivered"]) == (1, 1)
        every = (await http.get("/api/accounts")).json()["accounts"]
        assert every.keys() == {"room:1", "plain:1"}
