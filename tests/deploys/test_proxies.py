"""nginx and HAProxy in front of two nodes, from the files of docs/deploys.md: chat, polling, and what a node sees of a client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.cluster.members import Member
from tests.cluster.run_js import run_js
from tests.support.until import until

from .app import HOST
from .clients import NEAR, enter, poll
from .fleet import Behind, run_behind
from .proxies import PROXIES

pytestmark = pytest.mark.interop

ROOMS = count(1)


@pytest.fixture(scope="module", params=PROXIES)
async def behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Behind]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    async with run_behind(request.param, folder) as behind:
        yield behind


@pytest.fixture
def room() -> str:
    """A topic that no other test has."""
    return f"room:p{next(ROOMS)}"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def enter_both(behind: Behind, stack: AsyncExitStack, room: str) -> list[Member]:
    """Enter with clients until both nodes have one; their names are ``user 0``, ``user 1``."""
    members: list[Member] = []
    while {member.node for member in members} != set(behind.names):
        name = f"user {len(members)}"
        members.append(await stack.enter_async_context(enter(behind.proxy, room, name)))
        assert len(members) < 10
    return members


async def test_clients_of_both_nodes_chat(behind: Behind, stack: AsyncExitStack, room: str) -> None:
    """The proxy spreads WebSockets over both nodes. Text and binary messages cross between the nodes."""
    members = await enter_both(behind, stack, room)
    for number, member in enumerate(members):
        await member.cast("say", {"text": "Grüße 🐦"})
        await member.cast("draw", bytes([number, 255]))
        for one in members:
            await one.hears(
                ("said", {"text": "Grüße 🐦", "by": f"user {number}"}),
                ("drawn", bytes([number, 255])),
            )


async def test_each_poll_can_go_to_another_node(
    behind: Behind, stack: AsyncExitStack, room: str
) -> None:
    """One session polls and posts through both nodes: no request needs the node of its session."""
    others = await enter_both(behind, stack, room)
    pam = await stack.enter_async_context(poll(behind.proxy, room, "pam"))
    for number in range(10):
        said = {"text": str(number)}
        for sender, name in ((others[0], "user 0"), (pam, "pam")):
            await sender.cast("say", said)
            for one in (*others, pam):
                await one.hears(("said", {**said, "by": name}))
    for node in behind.nodes:
        log = "".join(node.lines)
        assert {*re.findall(r'"(GET|POST) /socket/longpoll', log)} == {"GET", "POST"}


LIES = {
    "X-Forwarded-For": "203.0.113.9, 127.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Proto": "ftp",
}


@pytest.mark.parametrize("headers", [{}, LIES], ids=["honest", "lying"])
async def test_a_node_sees_the_client_behind_the_proxy(
    behind: Behind, headers: dict[str, str]
) -> None:
    """Its address, and the scheme and host that it used. Headers that a client writes itself have no effect."""
    async with enter(behind.proxy, "mirror", headers=headers) as member:
        assert member.response["request"] == [NEAR, "https", HOST]


async def test_foreign_hosts_and_pages_are_refused(behind: Behind) -> None:
    """``hosts`` and ``check_origin`` see what the client sent, not what the proxy is called."""
    for refused in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
        with pytest.raises(InvalidStatus) as status:
            async with enter(behind.proxy, "mirror", **refused):  # type: ignore[arg-type]  # both take text
                pass
        assert status.value.response.status_code == 403
    await until(lambda: any("https://evil.example" in line for line in behind.lines))
    behind.expect("https://evil.example")
    async with enter(behind.proxy, "mirror", origin=f"https://{HOST}"):
        pass


async def test_the_health_pages_are_not_public(behind: Behind) -> None:
    url = f"https://localhost:{behind.proxy.port}/health/ready"
    async with httpx.AsyncClient(verify=behind.proxy.tls) as http:
        assert (await http.get(url)).status_code == 404


async def test_phoenix_js_behind_a_proxy(
    behind: Behind, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stock client, unmodified: a chat, presences, a disconnect, and its fallback to long polling."""
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(behind.proxy.certfile))
    url = f"wss://localhost:{behind.proxy.port}"
    seen = await run_js(
        *("cluster", url, "phoenix", "global", url, "steady", room.removeprefix("room:"))
    )
    assert seen["heard"]["ann"] == ["ann: hello", "bob: Grüße 🐦", "0001feff", "ann: bye"]
    assert seen["two"]["desk"] == {"cid": ["phone"], "dan": ["desk"]}
    assert seen["disconnected"] == [1001]
    assert seen["back"] == "ann: welcome back"
    assert seen["fell back"] is True
    said = [f"{name}: {number}" for number in range(1, 5) for name in ("ann", "bob", "pam")]
    assert seen["polled"] == {"texts": said, "ways": ["GET 0", "POST 0"], "drawn": "09"}
