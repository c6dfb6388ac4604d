"""Recovery with stock clients and the page's module, `bennu.mjs`, against a server whose topics have history."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import pytest

from bennu.transports.script import FILES
from tests.interop.program import PATIENCE, Clients, RunScript, Server
from tests.support.browser import open_browser
from tests.support.node import JS, node_path
from tests.support.pages import ROOT

pytestmark = pytest.mark.interop

HELPER: Final = FILES["bennu.mjs"].as_uri()

WIRES: Final = [
    ("phoenix-1.6", "1.0.0"),
    ("phoenix-1.6", "2.0.0"),
    ("phoenix-1.7.14", "2.0.0"),
    ("phoenix-1.7.21", "2.0.0"),
    ("phoenix", "1.0.0"),
    ("phoenix", "2.0.0"),
    ("phoenix", "polling"),
]
"""Packages of phoenix.js, and how they connect. Older ones poll only in pages. CI runs the oldest and the newest."""

IN_CI: Final = {("phoenix-1.6", "1.0.0"), ("phoenix", "2.0.0")}


@pytest.fixture(
    params=[
        pytest.param(one, id=" ".join(one), marks=() if one in IN_CI else pytest.mark.long)
        for one in WIRES
    ]
)
def wire(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


def is_whole(seen: dict[str, Any]) -> None:
    """Check what is the same after each loss."""
    assert seen["first join"] == {"status": "ok", "reason": "new", "keys": ["name", "recovery"]}
    assert seen["present"] == {"names": ["ann", "bob"], "position": True}
    assert seen["late"] == "after the position"


def test_page_gets_what_it_missed_in_a_tunnel(
    run_js: RunScript, server: Server, wire: tuple[str, str]
) -> None:
    """All that others said while the network was gone, once and in order, and none of its own messages to others."""
    package, kind = wire
    topic = f"logged:tunnel {package} {kind}"
    seen = run_js("recovery", server.url, package, kind, topic, HELPER).finish()
    is_whole(seen)
    told = seen["told"]
    assert told["heard"] == [*numbers(1, 40), "back", "last"]
    assert (told["missed"], told["bare"]) == ([], 42)
    assert len(told["recovered"]) == 1
    assert told["recovered"][0] >= 37


def test_page_is_told_that_the_history_began_anew(
    run_js: RunScript, own_server: Server, wire: tuple[str, str]
) -> None:
    """The history is in the memory of the server, which is killed and started again."""
    package, kind = wire
    client = run_js("recovery", own_server.url, package, kind, "logged:restart", HELPER, "restart")
    client.wait_for("ready")
    own_server.kill()
    own_server.start()
    seen = client.finish()
    is_whole(seen)
    assert seen["told"]["heard"] == [*numbers(1, 3), "back", "last"]
    assert (seen["told"]["missed"], seen["told"]["recovered"]) == (["epoch"], [])


AROUND: Final = """
const report = (step, value) => process.stdout.write(`${JSON.stringify({step, value})}\\n`)
const shown = []
const show = messages => shown.push(...messages)
const add = message => { report("page", [...shown, message]); process.exit() }
globalThis.fetch = async () => new Response(JSON.stringify({position: null, messages: ["loaded"]}))
PAGE
room.push("say", {text: "hello"})
"""


def test_page_of_the_docs_runs(server: Server, clients: Clients, tmp_path: Path) -> None:
    """The JavaScript of docs/recovery.md, in Node instead of a browser."""
    (page,) = re.findall(
        r"^```js\n(.*?)^```", (ROOT / "docs/recovery.md").read_text(), re.MULTILINE | re.DOTALL
    )
    for name in ("phoenix.mjs", "bennu.mjs"):
        page = page.replace(f"/socket/{name}", FILES[name].as_uri())
    page = page.replace('"/socket"', f'"{server.url}/socket"').replace("room:7", "logged:docs")
    script = tmp_path / "page.mjs"
    script.write_text(AROUND.replace("PAGE", page))
    seen = clients.start([node_path(), script]).finish()
    assert seen["page"] == ["loaded", {"text": "hello"}]


PAGE: Final = (
    '<!doctype html><meta charset="utf-8"><script type="module" src="recovery_page.mjs"></script>'
)
STRICT: Final = {"Content-Security-Policy": "default-src 'self'"}


@pytest.mark.browser
async def test_page_in_a_browser(server: Server) -> None:
    """It imports both modules from its server. Its policy allows nothing else, and nothing is stored."""
    complaints: list[str] = []
    async with open_browser() as context:
        # Chromium takes this page for one of a public site, which can't call a local server.
        await context.grant_permissions(["local-network-access"])
        page = await context.new_page()
        page.on("pageerror", lambda problem: complaints.append(str(problem)))

        async def serve_file(route: Any) -> None:
            if route.request.url.endswith(".mjs"):
                text, kind = (JS / "recovery_page.mjs").read_text(), "text/javascript"
            else:
                text, kind = PAGE, "text/html"
            await route.fulfill(body=text, content_type=kind, headers=STRICT)

        await page.route("**/page/*", serve_file)
        await page.goto(f"{server.url.replace('ws://', 'http://')}/page/index.html")
        async with asyncio.timeout(PATIENCE):
            seen: dict[str, Any] = await page.evaluate("window.finished")
    assert complaints == []
    assert seen == {"heard": ["1", "2", "3", "4"], "missed": [], "recovered": [2], "stored": 0}
