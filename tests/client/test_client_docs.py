"""docs/client.md runs: each of its blocks, against the server of the page."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu.client import BlockingClient, Client, ConnectRefused
from bennu.client.schedule import RECONNECT, REJOIN
from tests.support.pages import ROOT, blocks, run_blocks, section, table
from tests.support.servers import serve

pytestmark = pytest.mark.clock("real")


async def test_the_page_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each function does what its comments say."""
    names: dict[str, Any] = run_blocks(monkeypatch, "client_page", *blocks("docs/client.md"))
    shown: dict[str, str] = {}
    async with serve("native", names["endpoint"]) as server:
        url = server.url("/socket")
        await names["talk"](url)
        shown["talk"] = capsys.readouterr().out
        await asyncio.to_thread(names["script"], url)
        shown["script"] = capsys.readouterr().out
        for name in ("enter", "say", "listen", "listen_to_all", "call", "follow", "stay"):
            async with Client(url, params={"token": "ann"}) as client:
                names["watch"](client)
                await names[name](client)
            shown[name] = capsys.readouterr().out.replace("closed 1000 \n", "")
        with pytest.raises(ConnectRefused):
            async with Client(url):
                pytest.fail("it has no token")
    assert "Lobby 2" in shown["talk"]
    assert "{'title': 'Lobby'} Ack(id=2)" in shown["script"]
    assert shown["enter"] == "Lobby\nnot invited\n"
    assert shown["say"] == "{'id': 12}\n"
    assert shown["listen"] == "Hi\n"
    assert shown["listen_to_all"].startswith("new_msg {'body': 'Hi'} ")
    assert ":" in shown["stay"]


def test_the_table_of_options_is_right() -> None:
    """The page names options that there are, with their defaults."""
    rows = table(section("docs/client.md", "Connect"))
    options = {name for row in rows for name in row[0].replace("`", "").split(", ")}
    for name in options:
        assert name in Client.__init__.__annotations__, name
    defaults = {row[0].strip("`"): row[1] for row in rows}
    client_defaults = Client.__init__.__kwdefaults__
    assert client_defaults is not None
    assert defaults["timeout"] == f"{client_defaults['timeout']:g} s"
    assert defaults["heartbeat"] == f"{client_defaults['heartbeat']:g} s"
    assert defaults["vsn"] == f'`"{client_defaults["vsn"]}"`'


def test_the_waits_of_the_page_are_those_of_the_schedules() -> None:
    text = " ".join((ROOT / "docs/client.md").read_text().split())
    milliseconds = ", ".join(f"{delay * 1000:g}" for delay in RECONNECT.delays[:7])
    assert f"It waits {milliseconds} ms, then 1, 2, and each 5 s, each half more or less." in text
    assert RECONNECT.delays[7:] == (1, 2, 5)
    assert RECONNECT.jitter == REJOIN.jitter == 0.5
    assert "after 1, 2, 5, then each 10 s" in text
    assert REJOIN.delays == (1, 2, 5, 10)


def test_the_page_is_found_from_the_readme() -> None:
    assert "docs/client.md" in (ROOT / "README.md").read_text()
    assert BlockingClient.__doc__ is not None
