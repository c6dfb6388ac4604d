"""docs/tracing.md: its blocks run, its spans reach a collector, and its tables are complete."""

from __future__ import annotations

import inspect

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import trace_exporter

from bennu import Tracing
from bennu.testing import connect
from bennu.tracing import OPERATIONS
from tests.support.pages import ROOT, blocks, run_blocks, table

from .collector import collecting

PAGE = (ROOT / "docs/tracing.md").read_text()


@pytest.mark.clock("real")
async def test_the_spans_of_the_pages_application_reach_a_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two of its settings are others here: its collector, and its sampler, which records one trace in a hundred."""
    first, second = blocks("docs/tracing.md")
    monkeypatch.setattr(trace, "set_tracer_provider", lambda _: None)
    with collecting() as collector:
        url = f"http://127.0.0.1:{collector.server_port}/v1/traces"
        mine = first.replace("http://localhost:4318/v1/traces", url)
        mine = mine.replace("TraceIdRatioBased(0.01)", "TraceIdRatioBased(1.0)")
        mine = mine.replace("tracing=True", "tracing=Tracing(tracer_provider=provider)")
        names = run_blocks(monkeypatch, "tracing_page", "from bennu import Tracing", mine)
        async with connect(names["endpoint"], "/socket") as client:
            room = await client.join("room:1")
            room.push("new_msg", {"body": "hello", "_trace": {}})
            await room.assert_push("new_msg", {"body": "hello"})
        names["provider"].shutdown()
        assert collector.services == {"chat"}
        assert sorted(collector.names) == [
            "broadcast room:{room_id}",
            "connect /socket",
            "fan_out room:{room_id}",
            "join room:{room_id}",
            "new_msg room:{room_id}",
        ]
    run_blocks(monkeypatch, "tracing_page", first, second)["provider"].shutdown()
    assert trace_exporter.OTLPSpanExporter.__name__ in first


def test_the_page_lists_each_option_with_its_default() -> None:
    head = "| option | default | |"
    rows = table(head + PAGE.split(head)[1].split("\n\n")[0])
    found = {row[0].strip("`"): row[1] for row in rows}
    parameters = inspect.signature(Tracing.__init__).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}
    assert defaults.pop("operations") == OPERATIONS
    assert found.pop("operations") == "all"
    shown = {
        name: str(one) if one in (None, False) else f'"{one}"' for name, one in defaults.items()
    }
    assert found == {name: f"`{one}`" for name, one in shown.items()}


def test_the_page_names_each_operation() -> None:
    for one in OPERATIONS:
        assert f'`"{one}"`' in PAGE
