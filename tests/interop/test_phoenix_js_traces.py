"""phoenix.js on a page that is traced: what it pushes continues the page's trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.program import RunScript, Server
from tests.interop.scenario import ok

pytestmark = [pytest.mark.interop, pytest.mark.long]


@pytest.fixture
def traced() -> Iterator[Server]:
    server = Server("tests.interop.traced:endpoint")
    yield server
    status = server.stop()
    assert status in (0, -15), "".join(server.lines)


def test_a_push_with_a_context_in_its_payload(traced: Server, run_js: RunScript) -> None:
    """The type of the handler forbids unknown keys, and does not see the context."""
    seen = run_js("traced", traced.url, "phoenix").finish()
    assert seen["say"] == ok({"body": "hello"})
    assert seen["said"] == {"body": "hello"}
    page = seen["page"]
    spans = {span["name"].split(" ")[0]: span for span in seen["spans"]}
    assert list(spans) == ["connect", "join", "fan_out", "broadcast", "say"]
    assert spans["connect"]["trace"] != page["trace"]  # a page can't set headers of a WebSocket
    for name, parent in (
        ("join", page),
        ("say", page),
        ("broadcast", spans["say"]),
        ("fan_out", spans["broadcast"]),
    ):
        assert (spans[name]["trace"], spans[name]["parent"]) == (page["trace"], parent["id"])
