"""phoenix.js's own Presence: over WebSocket and by polling, in Node and in pages."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tests.interop.program import RunScript, Server
from tests.interop.scenario import Scenario
from tests.support.browser import open_browser
from tests.support.node import JS, js_modules

pytestmark = pytest.mark.interop

PAGE: Final = (
    '<!doctype html><meta charset="utf-8"><ul></ul>'
    '<script type="module" src="presence_page.mjs"></script>'
)
PATIENCE: Final = 30_000


def follows(seen: dict[str, Any]) -> None:
    """Check the reports of the scenario."""
    assert seen["alone"] == {
        "list": {"ann": ["a1"]},
        "events": ["presence_diff", "presence_state"],
    }
    assert seen["another"] == {
        "list": {"ann": ["a1"], "bob": ["b1"]},
        "told": [["join", "bob", None, ["b1"]]],
    }
    assert seen["second device"] == {
        "list": {"ann": ["a1", "a2"], "bob": ["b1"]},
        "told": [["join", "ann", ["a1"], ["a2"]]],
    }
    assert seen["update"] == {
        "told": [
            ["join", "ann", ["a1", "a2"], ["a1 away"]],
            ["leave", "ann", ["a2", "a1 away"], ["a1"]],
        ],
        "syncs": 1,
        "renewed": True,
        "follows": True,
    }
    assert seen["one device less"] == [["leave", "ann", ["a1 away"], ["a2"]]]

    assert seen["crash"] == [["leave", "carol", [], ["c1"]]]
    everybody = {"ann": ["a1 away"], "bob": ["b1"], "carol": ["c1"]}
    assert seen["back"] == {"told": [["join", "carol", None, ["c1"]]], "list": everybody}
    assert seen["observer"] == {"list": everybody, "events": ["presence_state"]}
    assert seen["state first"] == {
        "events": ["presence_state", "presence_diff"],
        "told": [["join", "fay", None, ["f1"]]],
    }
    assert seen["told of them"] == [["join", "fay", None, ["f1"]]]

    assert seen["inherited"]["several"]
    for refusal in seen["inherited"]["refusals"]:
        assert (refusal["status"], refusal["response"]["reason"]) == ("error", "presence_key")
    assert seen["alive"] == {
        "list": {**everybody, "fay": ["f1"]},
        "told": [
            ["join", "user:constructor", None, ["x"]],
            ["leave", "user:constructor", [], ["x"]],
        ],
    }
    now = {**everybody, "gus": ["g1"]}
    assert seen["away"]["list"] == now
    assert sorted(seen["away"]["told"]) == [
        ["join", "gus", None, ["g1"]],
        ["leave", "fay", [], ["f1"]],
    ]
    assert seen["agreed"] == [now] * 4

    assert seen["sample"] == {
        "list": {"one": ["one"], "two": ["two"]},
        "count": {"keys": 3, "metas": 3},
    }
    assert seen["smaller"] == {
        "list": {"two": ["two"], "three": ["three"]},
        "told": [["join", "three", None, ["three"]], ["leave", "one", [], ["one"]]],
    }
    assert seen["grace"] == {
        "told": [["join", "jim", None, ["j1"]]],
        "list": ["i1"],
        "same": True,
    }


@pytest.mark.conformance("JS062", "JS063", "JS064", "JS065", "JS066", "JS067", "JS068")
@pytest.mark.conformance("JS069", "JS070", "JS072", "OB023")
@pytest.mark.parametrize("kind", ["present", "instant"])
def test_lists_who_is_here(scenario: Scenario, kind: str) -> None:
    """Joins, leaves, updates and crashes of other clients, with merged diffs and with a diff for each change."""
    follows(scenario("presence", kind))


def test_lists_who_is_here_by_polling(run_js: RunScript, server: Server) -> None:
    """The same over long polling. (1.7 polls only in pages.)"""
    follows(run_js("presence", server.url, "phoenix", "present", "polling").finish())


@pytest.mark.conformance("JS061", "JS064", "JS065", "JS067", "JS068", "JS071")
def test_its_functions_understand_what_the_server_sends(scenario: Scenario) -> None:
    """Without a Presence object, with states and diffs as they arrive, and with other event names."""
    seen = scenario("presence_api")
    assert seen["state"] == {"from_empty": {"ann": ["a1"]}, "original": {}, "default_list": True}
    assert seen["diff"] == {"ann": ["a1"]}
    assert seen["behind"] == {"ann": ["a1", "a2"]}
    assert seen["one less"] == {"ann": ["a1"]}
    assert seen["none"] == {}
    if not scenario.is_1_7:
        assert seen["hostile"] == ["__proto__", "constructor"]
    assert seen["renamed"] == [{"ann": ["a1"]}, {}]


@pytest.mark.browser
async def test_pages_list_each_other(server: Server, package: str) -> None:
    """Two pages show both of their users. After one page is closed, the other shows one user."""
    files = {
        "presence.html": (PAGE, "text/html"),
        "phoenix.mjs": ((js_modules() / package / "priv/static/phoenix.mjs").read_text(), ""),
        "presence_page.mjs": ((JS / "presence_page.mjs").read_text(), ""),
    }
    address = server.url.replace("ws://", "http://")
    complaints: list[str] = []

    async def serve_file(route: Any) -> None:
        text, kind = files[route.request.url.partition("?")[0].rpartition("/")[2]]
        await route.fulfill(body=text, content_type=kind or "text/javascript")

    async with open_browser() as context:
        # Chromium takes this page for one of a public site, which can't call a local server.
        await context.grant_permissions(["local-network-access"])
        await context.route("**/files/*", serve_file)

        async def visit(name: str) -> Any:
            page = await context.new_page()
            page.set_default_timeout(PATIENCE)
            page.on("pageerror", lambda problem: complaints.append(str(problem)))
            await page.goto(f"{address}/files/presence.html?name={name}&room={package}")
            return page

        async def shows(page: Any, text: str) -> None:
            await page.locator("ul", has_text=re.compile(f"^{text}$")).wait_for(state="attached")

        ann, bob = await visit("ann"), await visit("bob")
        await shows(ann, "ann bob")
        await shows(bob, "ann bob")
        await bob.close()
        await shows(ann, "ann")
    assert complaints == []
