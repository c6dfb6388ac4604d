"""phoenix.js over long polling: in Node, which has fetch, and in a page, which has XMLHttpRequest.

phoenix.js 1.7 polls only in pages, because it does not use fetch.
"""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tests.interop.program import RunScript, Server
from tests.interop.scenario import error, ok
from tests.support.browser import open_browser
from tests.support.frames import PHX_JOIN, Frame, joining
from tests.support.node import JS, js_modules

pytestmark = pytest.mark.interop

NDJSON: Final = "application/x-ndjson"
PAGE: Final = (
    '<!doctype html><meta charset="utf-8"><script type="module" src="polling_page.mjs"></script>'
)
PATIENCE: Final = 30_000


def is_content(seen: dict[str, Any], server: Server, *, prefers_xhr: bool) -> None:
    """Check the reports of the scenario."""
    address = server.url.replace("ws://", "http://")
    endpoint = seen["endpoint"]
    assert endpoint["pollEndpoint"].startswith(f"{address}/socket/longpoll?")
    assert endpoint["pollEndpoint"].endswith("vsn=2.0.0")
    assert endpoint["timeout"] == 20_000
    assert seen["transport"] == {"fetch": not prefers_xhr, "xhr": prefers_xhr}

    assert seen["joined"]["status"] == "ok"
    assert seen["joined"]["response"]["payload"] == {"asked": "nicely"}
    assert seen["joined"]["state"] == "joined"
    first, second = seen["first requests"]
    assert first["method"] == "GET"
    accepts = first["headers"].get(
        "Accept", first["headers"].get("Content-Type")
    )  # 1.7 confuses them
    assert accepts == "application/json"
    assert "X-Phoenix-AuthToken" not in first["headers"]
    assert second["method"] in {"GET", "POST"}
    first = Frame(*seen["first body"])
    assert first == joining(first.ref, "room:poll", {"asked": "nicely"})
    assert seen["room:private"] == error("unauthorized")
    assert seen["room:broken"] == error("join crashed")
    assert seen["nowhere"] == error("unmatched topic")

    assert seen["ok"] == ok({"text": "Grüße, 世界 🐦", "list": [1, None, {}]})
    assert seen["error"] == error("failed")
    assert seen["refused"]["response"] == {"reason": "not_today", "retry_after_ms": 50}
    assert seen["custom"] == {"status": "teapot", "response": {"short": "stout"}}
    assert seen["unknown"] == error("unknown_event")
    assert seen["silent"] == {"status": "timeout", "response": {}}

    assert seen["weighed"] == ok({"bytes": 4})
    assert re.fullmatch(r"[A-Za-z0-9+/]+=*", *seen["binary line"])
    assert seen["bytes back"] == error("binary_unsupported")

    assert seen["heard"] == {
        "ann": ["ann to all", "bob to others", "ann to herself"],
        "bob": ["ann to all"],
    }

    assert seen["one turn"] == [["echo"] * 3]
    assert seen["unanswered"] == {
        "meanwhile": [[PHX_JOIN]],
        "later": [[PHX_JOIN], ["echo", "echo"]],
    }
    assert seen["many"] == {"posts": [100, 50], "order": True}

    assert seen["left"] == {**ok(), "state": "closed"}
    assert seen["crashed"]["error"] in ({"reason": "channel_crash"}, None)
    assert seen["rejoined"] == ok({"back": True})


def recovers(seen: dict[str, Any]) -> None:
    """Check the reports about ended sessions, and about refusals.

    An ended session is reported as an error or as gone, depending on whether a poll waits at that time.
    """
    ended = seen["session ended"]
    assert (ended["code"], ended["reason"]) in {
        (1011, "internal server error"),
        (3410, "session_gone"),
    }
    assert seen["came back"] == ok({"again": True})
    assert seen["refusals"] == [{"code": 1008, "reason": "forbidden"}] * 2
    assert seen["accepted"] == 3


def sends_its_token(seen: dict[str, Any]) -> None:
    """Check the reports about the token."""
    assert seen["token"] == {
        "token": "1234",
        "headers": ["GET 1234", "POST undefined"],
        "in the URL": False,
    }
    assert "without protocols" in seen


@pytest.mark.conformance(
    "JS012", "JS033", "JS051", "JS052", "JS053", "JS054", "JS055", "JS056", "JS058"
)
def test_polls_by_fetch(run_js: RunScript, server: Server) -> None:
    """Node has no XMLHttpRequest."""
    seen = run_js("polling_node", server.url, "phoenix").finish()
    is_content(seen, server, prefers_xhr=False)
    recovers(seen)
    sends_its_token(seen)
    gone = {"error": 410, "code": 3410, "reason": "session_gone"}
    assert seen["session gone"] == gone
    assert seen["back again"] == ok({"back": True})


@pytest.mark.long
@pytest.mark.browser
@pytest.mark.conformance("JS012", "JS054", "JS055", "JS056", "JS058")
async def test_polls_by_xml_http_request(server: Server, package: str) -> None:
    """A page also has fetch."""
    modules = js_modules()
    files = {
        "polling.html": (PAGE, "text/html"),
        "phoenix.mjs": ((modules / package / "priv/static/phoenix.mjs").read_text(), ""),
        **{
            name: ((JS / name).read_text(), "")
            for name in ("polling_page.mjs", "polling.mjs", "waiting.mjs")
        },
    }
    address = server.url.replace("ws://", "http://")
    complaints: list[str] = []
    async with open_browser() as context:
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda problem: complaints.append(str(problem)))

        async def serve_file(route: Any) -> None:
            text, kind = files[route.request.url.partition("?")[0].rpartition("/")[2]]
            await route.fulfill(body=text, content_type=kind or "text/javascript")

        await page.route("**/page/*", serve_file)
        more = "&all=1" if package == "phoenix" else ""
        await page.goto(f"{address}/page/polling.html?user={package}{more}")
        seen: dict[str, Any] = await page.evaluate("window.finished")
    assert complaints == []
    is_content(seen, server, prefers_xhr=True)
    if package == "phoenix":
        recovers(seen)
        sends_its_token(seen)


@pytest.mark.conformance("JS057")
def test_tries_again_when_a_post_is_not_answered(run_js: RunScript, server: Server) -> None:
    """The client reports an error, connects again, and sends a new batch."""
    seen = run_js("polling_timeout", server.url, "phoenix").finish()
    assert seen["timeout"] == {"error": "timeout", "code": 1005, "reason": "timeout"}
    assert seen["back"] == ok({"back": True})
    assert seen["posts"] == [
        {"held": False, "events": [PHX_JOIN]},
        {"held": True, "events": ["echo"]},
        {"held": False, "events": [PHX_JOIN]},
        {"held": False, "events": ["echo"]},
    ]


def test_comes_back_when_the_server_does(run_js: RunScript, own_server: Server) -> None:
    """Killed or stopped: the new process does not know the session, and the client begins a new one."""
    client = run_js("polling_restart", own_server.url, "phoenix")
    for time in ("killed", "stopped"):
        client.wait_for(f"to be {time}")
        own_server.kill() if time == "killed" else own_server.stop()
        own_server.start()
        assert client.wait_for(f"back after being {time}") == ok({"after": time})
    client.finish()
