"""The documentation's examples work: each of its Python blocks is run."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from bennu import (
    BlockingPublisher,
    ConnectInfo,
    DropOldest,
    Endpoint,
    Latest,
    LongPoll,
    RawHandler,
    RawSocket,
    Refused,
    Socket,
    Stop,
    csrf,
)
from bennu.api.openapi import OPERATIONS
from bennu.errors import TokenMissing
from bennu.telemetry import EVENTS, SECRET_TERMS, ChannelJoined
from bennu.testing.clock import advance, settle
from tests.bus.ipc.paths import short_directory
from tests.support.memory import serve
from tests.support.pages import ROOT, blocks, run_blocks, table
from tests.wire.divergence import DIVERGENCES


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run blocks as one module."""
    return partial(run_blocks, monkeypatch)


def test_the_guide_runs(run: Callable[..., dict[str, Any]]) -> None:
    """The guide's blocks run one after another, and endpoints can be made of its channels."""
    names = run("guide", *blocks("docs/guide.md"))
    channels = {"room:{room_id}": names["RoomChannel"], "b": names["Board"], "w": names["Worker"]}
    socket = Socket(connect=names["connect"], channels=channels)
    assert isinstance(names["endpoint"], Endpoint)
    assert Endpoint(sockets={"/socket": socket}).connections == 0


def test_the_readme_runs(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's first example makes an endpoint, and its second example works in FastAPI."""
    (tmp_path / "page").mkdir()
    monkeypatch.chdir(tmp_path)
    first, second = blocks("README.md")
    names = run("readme", first, "from fastapi import FastAPI", second)
    assert isinstance(names["endpoint"], Endpoint)
    assert any(getattr(route, "path", "") == "/rt" for route in names["app"].routes)


async def test_the_page_on_tokens_runs(run: Callable[..., dict[str, Any]]) -> None:
    """The page's assertions hold. The token of its page opens its socket; without a token the connect is refused."""
    names = run("tokens", *blocks("docs/tokens.md"))
    scope = {"path": "/", "headers": []}

    text = names["token_for_page"](7)
    info = ConnectInfo(scope, transport="websocket", auth_token=text)
    assert await names["connect"]({}, info) == 7
    with pytest.raises(Refused, match="token missing"):
        await names["connect"]({}, ConnectInfo(scope, transport="websocket"))
    assert Endpoint(sockets={"/socket": names["user_socket"]}).connections == 0


def test_the_page_on_the_bus_runs(run: Callable[..., dict[str, Any]]) -> None:
    """The page's assertion holds, and its adapter keeps the contract."""
    names = run("bus", *blocks("docs/bus.md"))
    contract = names["TestMyAdapter"]()
    contract.network = names["MemoryNetwork"]()
    contract.test_confirm_returns()


@pytest.mark.clock("real")
async def test_the_page_on_publishing_runs(
    run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's functions publish, and its endpoint has the API with the paths of the page."""
    monkeypatch.setenv("BILLING_KEY", "a-key-of-at-least-20-bytes")
    names = run("publishing", *blocks("docs/publishing.md"))
    page = (ROOT / "docs/publishing.md").read_text()
    for one in OPERATIONS:
        assert f"| `{one.method} /api{one.path}` |" in page
    assert names["endpoint"].connections == 0
    assert names["orders"].address == names["shop_publisher"].address == "redis://cache:6379"
    with short_directory() as directory:
        await names["announce"](f"ipc://{directory}")
        publisher = BlockingPublisher(f"ipc://{directory}")
        for name, arguments in (
            ("order_shipped", (1, 7)),
            ("log_out", (7,)),
            ("import_prices", ({"ACME": 7},)),
        ):
            function = names[name]
            function.__globals__["publisher"] = publisher
            await asyncio.to_thread(function, *arguments)
        await asyncio.to_thread(publisher.stop)


def test_the_page_on_compression_runs(run: Callable[..., dict[str, Any]]) -> None:
    """An endpoint can be made of the page's socket."""
    names = run("compression", *blocks("docs/compression.md"))
    assert isinstance(names["endpoint"], Endpoint)


def test_the_page_on_slow_consumers_runs(run: Callable[..., dict[str, Any]]) -> None:
    """The page's policies are valid, and its ``max_unsent`` is the default."""
    names = run("slow", *blocks("docs/slow-consumers.md"))
    assert isinstance(names["endpoint"], Endpoint)
    assert names["socket"].max_unsent == Socket(connect=names["connect"], channels={}).max_unsent
    page = (ROOT / "docs/slow-consumers.md").read_text()
    assert f"`DropOldest(max={DropOldest().max})`" in page
    assert f"`Latest(key=..., max={Latest().max})`" in page


def test_the_page_on_long_polling_runs(run: Callable[..., dict[str, Any]]) -> None:
    """The page's sockets can be polled."""
    names = run("longpoll", *blocks("docs/longpoll.md"))
    assert names["user_socket"].longpoll == LongPoll()
    assert names["admin_socket"].longpoll.window == 8


def test_the_page_on_long_polling_has_each_option() -> None:
    """The page lists each option with its default."""
    page = (ROOT / "docs/longpoll.md").read_text()
    for option in fields(LongPoll):
        default = option.default
        shown = f'`"{default}"`' if isinstance(default, str) else f"{default:,}".removesuffix(".0")
        rows = (f"| `{option.name}` | {shown} |", f"| `{option.name}` | {default} |")
        assert any(row in page for row in rows), rows


async def test_the_page_on_authentication_runs(run: Callable[..., dict[str, Any]]) -> None:
    """Endpoints can be made of the page's sockets, and its functions do what the page says."""
    names = run("authentication", *blocks("docs/authentication.md"))
    info = ConnectInfo({"path": "/", "headers": []}, transport="websocket")

    assert (await names["connect"]({}, info)).id == "7"
    assert info.expires_at is not None
    assert info.ids == ("tokens:7f3a",)
    assert await names["refresh"]("let me stay", info) is None
    with pytest.raises(Refused, match="not logged in"):
        await names["connect_visitor"]({}, info)
    with pytest.raises(TokenMissing):
        await names["tokens"]({}, info)
    session: dict[str, Any] = {}
    assert csrf.is_valid(session, names["page"](session))
    for name in ("visitor_socket", "readable_socket"):
        assert Endpoint(sockets={"/socket": names[name]}).connections == 0


def test_the_page_on_deploys_runs(run: Callable[..., dict[str, Any]]) -> None:
    """An endpoint can be made of the page's socket."""
    names = run("deploys", *blocks("docs/deploys.md"))
    assert Endpoint(sockets={"/socket": names["socket"]}, health="/health").connections == 0


async def test_the_page_on_raw_sockets_runs(run: Callable[..., dict[str, Any]]) -> None:
    """Each line of the page's chat goes to all clients, and they are told who left."""
    names = run("raw_sockets", *blocks("docs/raw-sockets.md"))
    async with serve(names["endpoint"]) as server:
        ann = await server.open("/lines/websocket?name=ann", subprotocols=["lines.v1"])
        bob = await server.open("/lines/websocket?name=bob")
        ann.send("hello")
        await settle()
        assert ann.subprotocol == "lines.v1"
        assert list(ann.received) == ["welcome, ann", "ann: hello"]
        ann.send(b"bytes")
        await settle()
        assert (ann.code, ann.reason) == (1003, "text only")
        assert list(bob.received) == ["welcome, bob", "ann: hello", "ann left"]


async def test_the_page_on_presence_runs(run: Callable[..., dict[str, Any]]) -> None:
    """The page's room shows its presences; its other presences can be given to an endpoint too."""
    names = run("presence", *blocks("docs/presence.md"))
    async with serve(names["endpoint"]) as server:
        ann = await server.connect(params={"user": "ann"})
        await ann.join("room:1")
        ann.push("room:1", "status", {"status": "away"})
        await advance(1)
        events = [frame.event for frame in ann.read()]
        assert events == ["presence_diff", "presence_state", "presence_diff"]
        listed = await names["presence"].list("room:1")
        assert listed["ann"]["metas"][0]["status"] == "away"
        await names["encode"](7)
        ann.read().clear()
        ann.close()
    async with serve(Endpoint(sockets={}, presence=[names["crowds"], names["named"]])):
        await names["named"].track("me", "ann", topic="t")
        assert (await names["named"].get_by_key("t", "ann"))["name"] == "Ann A."
        await settle()


def test_the_page_on_limits_runs(run: Callable[..., dict[str, Any]]) -> None:
    names = run("limits", *blocks("docs/limits.md"))
    assert names["user_socket"].is_rated
    assert names["endpoint"].connections == 0


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link of a page leads to a file of the repository."""
    path = ROOT / page if page == "README.md" else ROOT / "docs" / page
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
    local = [link for link in links if not link.startswith("http")]
    assert not [link for link in local if not (path.parent / link).exists()]


def test_the_page_on_transports_lists_what_servers_decide() -> None:
    """The page's table of differences between servers is the table that the tests use."""
    servers = ("uvicorn", "hypercorn", "granian")
    lines = ["| | `bennu run` | uvicorn | hypercorn | granian |", "|---|---|---|---|---|"]
    for name, row in DIVERGENCES.items():
        others = [row.instead.get(server, "as `bennu run`") for server in servers]
        lines.append("| " + " | ".join([f"{name} ({row.section})", row.native, *others]) + " |")
    table = "\n".join(lines)
    assert table in (ROOT / "docs" / "transports.md").read_text(), (
        f"docs/transports.md needs\n{table}"
    )


class Slow(RawHandler[None]):
    """Answers after four seconds."""

    async def receive(self, message: str | bytes) -> str | bytes:
        await advance(4)
        return message


ENDS: Final = [
    (Stop(), 1000, "", "normal"),
    (Stop("shutdown"), 1000, "", "shutdown"),
    (Stop("shutdown:bored"), 1000, "", "shutdown:bored"),
    (Stop("shutdown:restart"), 1012, "shutdown", "shutdown:restart"),
    (Stop("tired"), 1011, "internal error", "tired"),
    (ValueError("mine"), 1011, "internal error", "mine"),
]


class Ending(RawHandler[None]):
    """Raises the exception of this row of ENDS, and keeps the reason that ``closed`` gets."""

    told = ""

    async def receive(self, message: str | bytes) -> None:
        raise ENDS[int(message)][0]

    async def closed(self, reason: str | Exception) -> None:
        Ending.told = str(reason)


@pytest.mark.parametrize("number", range(len(ENDS)))
async def test_the_page_on_raw_sockets_says_how_a_handler_ends(number: int) -> None:
    """The close code and reason of the client, and the argument of ``closed``, are those of the page's table."""
    _, code, text, told = ENDS[number]
    endpoint = Endpoint(sockets={"/raw": RawSocket(connect=lambda: None, handler=Ending)})
    async with serve(endpoint) as server:
        wire = await server.open("/raw/websocket")
        wire.send(str(number))
        await settle()
        assert (wire.code, wire.reason, Ending.told) == (code, text, told)
        if code == 1011:
            server.logged("Ending")
    page = (ROOT / "docs/raw-sockets.md").read_text()
    [row] = [row for row in table(page.split("## The end")[1]) if _names(row[0], number)]
    assert row[1].split(", ")[0].replace("`", "") == f"{code} {text}".strip()


def _names(cell: str, number: int) -> bool:
    wanted = ["Stop()", '"shutdown")', "bored", "restart", "any other reason", "other exception"]
    return wanted[number] in cell


async def test_a_post_to_a_raw_socket_is_answered_at_the_mailbox() -> None:
    """A POST to a raw socket is answered before ``receive`` has run, as the pages say."""
    endpoint = Endpoint(
        sockets={"/raw": RawSocket(connect=lambda: None, handler=Slow, longpoll=True)}
    )
    async with serve(endpoint):
        transport = httpx.ASGITransport(endpoint)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            token = (await http.get("/raw/longpoll")).json()["token"]
            began = asyncio.get_running_loop().time()
            answer = await http.post("/raw/longpoll", params={"token": token}, content="hi")
            assert answer.json() == {"status": 200}
            assert asyncio.get_running_loop().time() == began
            await advance(5)


def test_the_page_on_telemetry_attaches_a_handler(run: Callable[..., dict[str, Any]]) -> None:
    """The page's handler gets the events that it names, and the page lists every event with its fields."""
    names = run("telemetry", *blocks("docs/telemetry.md"))
    joined = ChannelJoined("room:1", "Room", {}, "ok", 0.0)
    names["endpoint"].telemetry.tell(joined)
    assert names["joins"] == {"Room ok": 1}
    page = (ROOT / "docs/telemetry.md").read_text()
    for kind in EVENTS:
        listed = ", ".join(f"`{one.name}`" for one in fields(kind))
        assert f"| `{kind.__name__}` |" in page
        assert f"| {listed} |" in page


def test_the_page_on_logging_configures_it(
    run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    logger = logging.getLogger("bennu.access")
    try:
        run("logging_page", *blocks("docs/logging.md"))
        assert logger.level == logging.WARNING
    finally:
        logger.setLevel(logging.NOTSET)
    page = (ROOT / "docs/logging.md").read_text()
    assert all(f"`{term}`" in page for term in SECRET_TERMS)


def test_the_page_on_the_dashboard_runs(
    run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's endpoint has a dashboard, and its function decides by a cookie."""
    monkeypatch.setenv("DASHBOARD_PASSWORD", "correct horse battery")
    names = run("dashboard", *blocks("docs/dashboard.md"))
    assert "/dashboard/socket" in names["endpoint"].sockets
    for session, is_admin in (("7f3a9c", True), ("other", False)):
        scope = {"path": "/", "headers": [(b"cookie", f"session={session}".encode())]}
        assert names["is_admin"](ConnectInfo(scope, transport="websocket")) is is_admin
    assert names["guarded"].path == "/internal/dashboard"
