"""The channel of the page: who gets in, the figures, the search, and disconnects."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Endpoint, Socket
from bennu.bus.memory import MemoryNetwork
from bennu.dashboard.names import FIGURES
from bennu.dashboard.node import MAX_PAGES
from bennu.testing import (
    ConnectRefused,
    JoinRefused,
    PushRefused,
    TestChannel,
    connect,
    nodes,
    running,
)
from bennu.testing.clock import advance
from tests.support.clock import timers

from .apps import Room, make, page, pass_of


async def tick(dashboard: TestChannel) -> dict[str, Any]:
    """Return the next tick."""
    found: dict[str, Any] = await dashboard.assert_push("tick")
    return found


@pytest.mark.parametrize("params", [{}, {"token": ""}, {"token": "1999999999.forged"}])
async def test_without_a_pass_nobody_connects(params: dict[str, str]) -> None:
    endpoint = make()
    async with running(endpoint):
        with pytest.raises(ConnectRefused, match="403"):
            async with connect(endpoint, "/dashboard/socket", params):
                pass


async def test_a_page_gets_figures_once_a_second() -> None:
    endpoint = make()
    async with page(endpoint) as dashboard, connect(endpoint, "/socket", {"name": "ann"}) as ann:
        assert dashboard.response == {"node": endpoint.node}
        room = await ann.join("room:1")
        first = await tick(dashboard)
        [node] = first["nodes"]
        assert (node["node"], node["state"]["connections"]) == (endpoint.node, 1)
        assert (node["state"]["bus"], node["state"]["store"]) == ("none", "none")
        assert node["state"]["memory"] > 1_000_000
        assert first["topics"][0]["topic"] == "room:1"
        for _ in range(4):
            await room.push("say", {"text": "hi"})
        second = await tick(dashboard)
        [node] = second["nodes"]
        assert (node["messages_in"], node["messages"], node["deliveries"]) == (4, 4, 4)
        assert node["handler_p99"] > 0
        assert second["topics"] == [
            {"topic": "room:1", "subscribers": 2, "messages": 4, "deliveries": 4, "nodes": 1}
        ]  # the test kit listens, too
        assert second["time"] >= first["time"]
        assert second["silent"] == []


async def test_topics_are_bounded() -> None:
    endpoint = make()
    async with page(endpoint) as dashboard, connect(endpoint, "/socket", {"name": "ann"}) as ann:
        for number in range(80):
            await ann.join(f"room:{number}")
        await tick(dashboard)
        found = await tick(dashboard)
        assert (len(found["topics"]), found["more_topics"]) == (50, 30)


async def test_without_a_page_nothing_runs() -> None:
    """No task, no timer, and no handler of telemetry is left when the page is closed."""
    endpoint = make()
    async with running(endpoint):
        before = dict(endpoint.telemetry.handlers)
        during, left = [], []
        for _ in range(2):
            async with page(endpoint) as dashboard:
                await tick(dashboard)
                during.append(timers())
            await advance(5)
            left.append(timers())
        assert left[0] == left[1] < during[0]  # the server has timers of its own
        assert endpoint.telemetry.handlers == before


async def test_more_pages_than_a_node_serves_are_refused() -> None:
    endpoint = make()
    async with running(endpoint):
        token = await pass_of(endpoint)
        clients = [
            connect(endpoint, "/dashboard/socket", {"token": token}) for _ in range(MAX_PAGES + 1)
        ]
        opened = [await client.__aenter__() for client in clients]
        for client in opened[:-1]:
            await client.join(FIGURES)
        with pytest.raises(JoinRefused, match="too_many_pages"):
            await opened[-1].join(FIGURES)
        for context in clients:
            await context.__aexit__(None, None, None)


async def test_connections_are_found_by_user_and_topic() -> None:
    """The dashboard's own connection is not among them."""
    endpoint = make()
    async with (
        page(endpoint) as dashboard,
        connect(endpoint, "/socket", {"name": "ann"}) as ann,
        connect(endpoint, "/socket", {"name": "bo"}) as bo,
    ):
        await ann.join("room:1")
        await bo.join("room:2")
        everybody = await dashboard.push("find", {"text": ""})
        assert everybody["total"] == 2
        for text, user in (("USERS:ann", "users:ann"), ("room:2", "users:bo")):
            found = await dashboard.push("find", {"text": text})
            assert [one["user"] for one in found["connections"]] == [user]
        assert (await dashboard.push("find", {"text": "nobody"}))["total"] == 0
        [one] = (await dashboard.push("find", {"text": "bo"}))["connections"]
        assert (one["topics"], one["channels"], one["socket"]) == (["room:2"], 1, "/socket")
        with pytest.raises(PushRefused, match="invalid_payload"):
            await dashboard.push("find", {"text": 7})


async def test_a_found_connection_has_what_waits_for_its_channels() -> None:
    endpoint = make()
    async with page(endpoint) as dashboard, connect(endpoint, "/socket", {"name": "ann"}) as ann:
        rooms = [await ann.join("room:1"), await ann.join("room:2")]
        held = [room.push("hold") for room in rooms for _ in range(3)]
        [one] = (await dashboard.push("find", {"text": "ann"}))["connections"]
        assert one["waiting"] == len(held) - len(rooms)  # each room handles one of them


async def test_found_connections_are_bounded() -> None:
    endpoint = make()
    async with page(endpoint) as dashboard:
        clients = [connect(endpoint, "/socket", {"name": str(one)}) for one in range(60)]
        for client in clients:
            await client.__aenter__()
        found = await dashboard.push("find", {"text": "users"})
        assert (len(found["connections"]), found["total"]) == (50, 60)
        for client in clients:
            await client.__aexit__(None, None, None)


async def test_one_connection_is_disconnected() -> None:
    endpoint = make()
    async with (
        page(endpoint) as dashboard,
        connect(endpoint, "/socket", {"name": "ann"}) as phone,
        connect(endpoint, "/socket", {"name": "ann"}) as tablet,
    ):
        [one, other] = (await dashboard.push("find", {"text": "ann"}))["connections"]
        where = {"node": one["node"], "connection": one["connection"]}
        assert await dashboard.push("disconnect", where) == {"closed": 1}
        assert await dashboard.push("disconnect", where) == {"closed": 0}
        assert (await dashboard.push("find", {"text": "ann"}))["connections"] == [
            {**other, "seconds": pytest.approx(other["seconds"], abs=60)}
        ]
        await dashboard.push("disconnect_user", {"user": "users:ann"})
        await phone.assert_closed(1001)
        await tablet.assert_closed(1001)


# Several nodes.


async def test_two_nodes_are_shown_and_searched() -> None:
    """A node sends its figures while it is asked. A node that has ended is no longer shown."""
    async with nodes(lambda bus, store: make(pubsub=bus), 2) as cluster:
        one, two = cluster
        async with (
            page(one.endpoint) as dashboard,
            one.connect("/socket", {"name": "ann"}) as ann,
            two.connect("/socket", {"name": "bo"}) as bo,
        ):
            room, theirs = await ann.join("room:1"), await bo.join("room:1")
            await tick(dashboard)
            await tick(dashboard)
            await room.push("say", {})
            await theirs.assert_push("said")
            found = await tick(dashboard)
            assert [node["node"] for node in found["nodes"]] == [one.name, two.name]
            assert [node["state"]["connections"] for node in found["nodes"]] == [1, 1]
            [topic] = found["topics"]
            assert (topic["topic"], topic["subscribers"], topic["nodes"]) == ("room:1", 4, 2)
            people = await dashboard.push("find", {"text": "room:1"})
            assert sorted(one["user"] for one in people["connections"]) == ["users:ann", "users:bo"]
            [theirs_shown] = (await dashboard.push("find", {"text": "bo"}))["connections"]
            where = {"node": two.name, "connection": theirs_shown["connection"]}
            assert await dashboard.push("disconnect", where) == {"closed": 1}
            await bo.assert_closed(1001)
            await two.stop()
            await advance(5)
            while len((found := await tick(dashboard))["nodes"]) > 1:
                pass
            assert [node["node"] for node in found["nodes"]] == [one.name]


async def test_a_node_without_a_dashboard_is_named() -> None:
    network = MemoryNetwork()
    socket = Socket(connect=lambda: "", channels={"room:*": Room})
    bare = Endpoint(sockets={"/socket": socket}, pubsub=network.adapter("bare"))
    async with running(bare), page(make(pubsub=network.adapter("a"))) as dashboard:
        while (found := await tick(dashboard))["silent"] != ["bare"]:
            pass
        assert [node["node"] for node in found["nodes"]] == ["a"]


async def test_a_node_stops_although_another_asks_it() -> None:
    async with nodes(lambda bus, store: make(pubsub=bus), 2) as cluster:
        one, two = cluster
        async with page(one.endpoint) as dashboard:
            await tick(dashboard)
            await two.stop()
            assert not two.endpoint.is_started
