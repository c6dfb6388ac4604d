"""Both engines run the same plan against a server, and count the same. The server counts too."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bennu import Channel, ConnectInfo, Endpoint, Ok, Refused, Socket, on
from bennu.bench.c_engine import CompileFailed, compiled, compiler
from bennu.bench.engines import EngineUnavailable, choose_engine, why_not_c
from bennu.bench.plan import BenchPlan
from bennu.bench.result import BenchCounts, BenchProgress, BenchResult
from bennu.client import ConnectFailed

from ..support.servers import Server, serve
from ..support.until import until
from .plans import plan

pytestmark = pytest.mark.clock("real")

ENGINES = ["c", "python"]

counted: Counter[str] = Counter()


class Room(Channel[None]):
    async def join(self) -> None:
        if self.topic == "room:secret":
            raise Refused("not invited")
        counted[self.topic] += 1

    @on("echo")
    async def echo(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Reply with a status inside the response, as an application may."""
        counted["echo"] += 1
        return {"status": "error", "nested": {"status": "error"}, **payload}

    @on("say")
    async def say(self, payload: dict[str, Any]) -> None:
        counted["say"] += 1
        await self.broadcast("said", {"inner": [payload]})

    @on("refuse")
    async def refuse(self, payload: dict[str, Any]) -> None:
        raise Refused("never")

    @on("bytes")
    async def in_bytes(self, payload: dict[str, Any]) -> bytes:
        return b"12345"

    @on("every_other")
    async def every_other(self, payload: dict[str, Any]) -> Ok[dict[str, int]]:
        counted["other"] += 1
        if counted["other"] % 2:
            raise Refused("odd")
        return Ok({"n": counted["other"]})

    @on("crash")
    async def crash(self, payload: dict[str, Any]) -> None:
        raise ValueError("boom")


async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
    if params.get("name") == "eve":
        raise Refused("no eve")
    counted[f"token {info.auth_token}"] += 1


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    counted.clear()
    socket = Socket(connect=connect, channels={"room:*": Room}, auth_token=True, longpoll=True)
    async with serve("native", Endpoint(sockets={"/socket": socket})) as running:
        yield running


async def run(engine: str, given: BenchPlan, stop: asyncio.Event | None = None) -> BenchResult:
    seen: list[BenchProgress] = []
    chosen = choose_engine(engine, given, seen.append, lambda line: None)
    result = await chosen.run(stop or asyncio.Event())
    assert seen
    return result


def times_of(result: BenchResult) -> dict[str, int]:
    return {name: getattr(result, name).count for name in ("connect", "join", "reply", "delivery")}


RUNS: dict[str, tuple[dict[str, Any], BenchCounts, dict[str, int]]] = {
    "replies": (
        {},
        BenchCounts(opened=10, joined=10, pushed=10, replied=10, expected=100),
        {"connect": 10, "join": 10, "reply": 10, "delivery": 0},
    ),
    "broadcasts": (
        {"topic": "room:{n}", "topics": 2, "event": "say", "hears": True, "size": 1000},
        BenchCounts(opened=10, joined=10, pushed=10, heard=50, expected=50),
        {"connect": 10, "join": 10, "reply": 0, "delivery": 50},
    ),
    "heartbeats": (
        {"topic": None, "event": ""},
        BenchCounts(opened=10, pushed=10, replied=10, expected=100),
        {"connect": 10, "join": 0, "reply": 10, "delivery": 0},
    ),
    "refusals": (
        {"event": "every_other"},
        BenchCounts(opened=10, joined=10, pushed=10, replied=5, refused=5, expected=100),
        {"connect": 10, "join": 10, "reply": 5, "delivery": 0},
    ),
    "bytes": (
        {"event": "bytes", "token": "abc"},
        BenchCounts(opened=10, joined=10, pushed=10, replied=10, expected=100),
        {"connect": 10, "join": 10, "reply": 10, "delivery": 0},
    ),
    "no join": (
        {"topic": "room:secret"},
        BenchCounts(opened=10, failed=10),
        {"connect": 10, "join": 0, "reply": 0, "delivery": 0},
    ),
    "no connect": (
        {"params": {"name": "eve"}},
        BenchCounts(failed=10),
        {"connect": 0, "join": 0, "reply": 0, "delivery": 0},
    ),
}
IN_CI = {"replies", "broadcasts", "no join"}
"""Runs that CI takes: one of each kind."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in IN_CI else pytest.mark.long) for name in RUNS],
)
async def test_both_engines_count_the_same(name: str) -> None:
    changes, counts, times = RUNS[name]
    seen = {}
    for engine in ENGINES:
        async with server() as running:
            result = await run(engine, plan(url=running.url("/socket"), **changes))
            assert result.counts == counts, engine
            assert times_of(result) == times, engine
            assert result.is_whole
            assert result.planned == (0 if counts.failed else 10)
            seen[engine] = (dict(counted), result.failure, result.refusal)
    assert seen["c"] == seen["python"]
    server_saw, failure, refusal = seen["c"]
    assert ("refused" in failure) is (counts.failed > 0)
    assert ("odd" in refusal) is (counts.refused > 0)
    if name == "replies":
        assert (server_saw["room:1"], server_saw["echo"]) == (10, 10)
    if name == "bytes":
        assert server_saw["token abc"] == 10


@pytest.mark.parametrize("engine", ENGINES)
async def test_clients_whose_channel_crashes_are_lost(
    engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with server() as running:
        result = await run(engine, plan(url=running.url("/socket"), clients=3, event="crash"))
    assert (result.counts.lost, result.counts.replied) == (3, 0)
    assert result.failure == "the channel has crashed: {'reason': 'channel_crash'}"
    assert "boom" in caplog.text
    assert counted["room:1"] == 3, "a lost client does not join again"


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_run_can_be_ended_early(engine: str) -> None:
    stop = asyncio.Event()
    async with server() as running:
        given = plan(url=running.url("/socket"), seconds=600)
        ending = asyncio.create_task(run(engine, given, stop))
        await until(lambda: counted["echo"])
        stop.set()
        result = await ending
    assert not result.is_whole
    assert 0 < result.counts.pushed < result.planned
    assert result.counts.pushed == counted["echo"]


async def test_a_server_that_is_not_there() -> None:
    given = plan(url="ws://127.0.0.1:1/socket")
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1:1 can't be reached"):
        await run("c", given)
    result = await run("python", given)
    assert result.counts == BenchCounts(failed=10)
    assert "can't be reached" in result.failure


async def test_long_polling_is_measured_by_the_python_engine() -> None:
    async with server() as running:
        given = plan(url=running.url("/socket"), clients=2, transport="longpoll")
        result = await run("auto", given)
    assert result.engine == "Python"
    assert (result.counts.pushed, result.counts.replied) == (2, 2)


# The choice.


@pytest.mark.parametrize(
    ("changes", "platform", "cc", "why"),
    [
        ({}, "linux", "/usr/bin/cc", None),
        ({"transport": "longpoll"}, "linux", "cc", "it has no long polling"),
        ({"vsn": "1.0.0"}, "linux", "cc", "it speaks vsn 2.0.0 alone"),
        ({"url": "wss://a/socket"}, "linux", "cc", "it has no TLS"),
        ({}, "darwin", "cc", "it needs Linux, and this is darwin"),
        ({}, "linux", None, "there is no C compiler: install gcc or clang, or set CC"),
    ],
)
def test_why_the_c_engine_can_not_run_a_plan(
    changes: dict[str, Any], platform: str, cc: str | None, why: str | None
) -> None:
    found = why_not_c(plan(**changes), platform=platform, cc=cc)
    assert (found or "").startswith(why or "")
    assert (found is None) is (why is None)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    said: list[str] = []
    assert choose_engine("auto", plan(), print, said.append).name == "Python"
    assert "because the C engine can't: there is no C compiler" in said[0]
    with pytest.raises(EngineUnavailable, match="Or write --engine python"):
        choose_engine("c", plan(), print, said.append)


@pytest.mark.skipif(sys.platform != "linux", reason="the C engine needs Linux")
def test_the_generator_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cc = compiler()
    assert cc is not None
    said: list[str] = []
    program = compiled(cc, said.append)
    assert compiled(cc, said.append) == program
    assert said == [f"{cc} compiles the load generator, once: {program}"]
    assert [*program.parent.iterdir()] == [program]


def test_a_compiler_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CompileFailed, match="/bin/false failed"):
        compiled("/bin/false", lambda line: None)
    with pytest.raises(CompileFailed, match="can't be compiled"):
        compiled("/no/compiler", lambda line: None)
    monkeypatch.setenv("CC", "false")
    said: list[str] = []
    assert choose_engine("auto", plan(), print, said.append).name == "Python"
