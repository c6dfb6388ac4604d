"""docs/observability.md: what each complaint leads to is there, and shows what the page says."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from bennu import Channel, Endpoint, Limits, Socket
from bennu.loop.watch import what_runs
from bennu.testing import connect, running
from bennu.testing.clock import settle
from tests.support.pages import ROOT, blocks, run_blocks, section, table
from tests.support.raw import ask
from tests.support.servers import serve

PAGE = "docs/observability.md"
WHOLE = (ROOT / PAGE).read_text()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the page's blocks, which belong to one module."""
    return run_blocks(monkeypatch, "observability", *blocks(PAGE))


def test_each_panel_of_the_page_is_on_the_dashboard() -> None:
    dashboard = json.loads((ROOT / "docs/grafana/bennu.json").read_text())
    panels = {panel["title"] for panel in dashboard["panels"]}
    named = set(re.findall(r"\*([A-Z][\w ]+?)\*", WHOLE.replace("**", "")))
    assert named <= panels
    assert len(named) > 15


def test_each_line_of_the_page_is_in_the_log() -> None:
    lines = (ROOT / "docs/logging.md").read_text()
    quoted = [
        text.replace("\n   ", " ")
        for text in re.findall(r"`([^`]*…[^`]*)`", WHOLE)
        if text not in ("…", "JOINED …", "REFUSED JOIN …")
    ]
    assert len(quoted) > 10
    for text in quoted:
        assert text in lines, text
    assert "`JOINED … in …`" in lines
    assert "`REFUSED JOIN …: …`" in lines


async def test_the_accounts_explain_where_a_message_went(names: dict[str, Any]) -> None:
    """Each row of the page that one node can show."""
    app, explain = names["endpoint"], names["explain"]
    async with running(app), connect(app, "/socket", {"name": "ann"}) as ann:
        assert explain("room:1") == {"members": 0}
        room = await ann.join("room:1")
        async with connect(app, "/socket", {"name": "bo"}) as bo:
            await bo.join("room:1")
            _ = room.push("new_msg", {"body": "hi"})
            await settle()
            found = explain("room:1")
            assert (found["members"], found["messages"]) == (2, 1)
            assert (found["own"], found["delivered"]) == (1, 1)
            bo.stall()
            for _ in range(3):  # the first one fills the buffer of the transport
                await app.broadcast("room:1", "news", {"text": "x" * 100_000})
                await settle()
            assert explain("room:1")["waiting"] == 2


async def test_the_largest_channels_are_listed(names: dict[str, Any]) -> None:
    app = names["endpoint"]
    async with running(app), connect(app, "/socket", {"name": "ann"}) as ann:
        await ann.join("room:1")
        sums, largest = await names["largest_channels"](1)
        assert re.fullmatch(r"Room: \d+ bytes in 1", sums)
        assert re.fullmatch(r"room:1 of [0-9a-f]{12}: \d+ bytes", largest)


async def test_the_function_that_holds_the_loop_is_named_as_the_page_says(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, found = names["endpoint"], list[str]()

    async def look(*args: Any) -> None:
        holder = what_runs(sys._getframe())
        assert holder is not None
        found.append(holder.name)

    monkeypatch.setattr(names["Room"], "broadcast_from", look)
    async with running(app), connect(app, "/socket", {"name": "ann"}) as ann:
        room = await ann.join("room:1")
        _ = room.push("new_msg", {})
        await settle()
    assert len(found) == 1
    assert f"is named so: `{found[0]}`" in WHOLE


def refusing(limits: Limits | None = None) -> Endpoint:
    """Return an endpoint whose connect can crash."""

    async def accept(params: dict[str, int]) -> int:
        return 1 // params["number"]

    socket = Socket(connect=accept, channels={"room:*": Channel})
    return Endpoint(sockets={"/socket": socket}, hosts=["127.0.0.1"], limits=limits)


@pytest.mark.clock("real")
async def test_each_refusal_has_its_status_and_its_line(caplog: pytest.LogCaptureFixture) -> None:
    """In the order of the page's table."""
    caplog.set_level("INFO")
    target = "/socket/websocket?vsn=2.0.0&number="
    refusals: list[tuple[str, dict[str, str | None]]] = [
        (f"{target}1", {"Origin": "https://evil.example"}),
        (f"{target}a", {}),
        ("/socket/websocket?vsn=9.0.0&number=1", {}),
        (f"{target}1", {"Host": "evil.example"}),
        (f"{target}1", {}),
        (f"{target}0", {}),
        ("/other/websocket", {}),
    ]
    one_a_day = Limits(connects_per_ip="1/day")
    async with serve("native", refusing()) as free, serve("native", refusing(one_a_day)) as full:
        await ask(full, f"{target}1")
        rows = table(section(PAGE, "A handshake is refused"))
        for (status, line, _), (path, headers) in zip(rows, refusals, strict=True):
            caplog.clear()
            answer = await ask(full if status == "429" else free, path, headers)
            assert str(answer.status) == status, line
            if line != "none":
                pattern = ".*".join(map(re.escape, line.strip("`").split("…")))
                assert re.search(pattern, caplog.text), line
