"""The metrics in docs/metrics.md, and in the dashboard for Grafana."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from bennu import Endpoint
from bennu.metrics.families import ChannelLabels, Labels, schema_of
from bennu.metrics.schema import Family, MetricKind
from tests.support.pages import ROOT, blocks, run_blocks

LABELS: Final = Labels(
    sockets=(("/socket", "websocket"),),
    channels=(ChannelLabels("Room", "room:*", ("say",)),),
    presences=("presence",),
    has_bus=True,
    has_store=True,
)
FAMILIES: Final = schema_of(LABELS).families

TOTAL: Final = "{}_" + "total"
"""The name of a counter, as it is shown."""

OF_PROMETHEUS: Final = {"job", "instance", "le"}
"""Labels that we do not make."""

KINDS: Final = {
    MetricKind.COUNTER: "counter",
    MetricKind.SECONDS: "counter",
    MetricKind.HISTOGRAM: "histogram",
    MetricKind.GAUGE: "gauge",
    MetricKind.OF_WORKER: "gauge",
}


def labels_of(family: Family) -> tuple[str, ...]:
    return (*family.labels, "worker") if family.kind is MetricKind.OF_WORKER else family.labels


def shown_names(family: Family) -> list[str]:
    """Return the names of the samples of a family."""
    if family.kind is MetricKind.HISTOGRAM:
        return [f"{family.name}_{end}" for end in ("bucket", "sum", "count")]
    return [TOTAL.format(family.name) if KINDS[family.kind] == "counter" else family.name]


def test_the_page_has_each_metric_with_its_kind_and_labels() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(bennu_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", page, re.MULTILINE)
    expected = [
        (
            TOTAL.format(family.name) if KINDS[family.kind] == "counter" else family.name,
            KINDS[family.kind],
            ", ".join(f"`{label}`" for label in labels_of(family)),
        )
        for family in FAMILIES
    ]
    assert [row[:3] for row in rows] == expected


def test_the_page_explains_each_label() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    table = page.partition("## The labels")[2].partition("## The metrics")[0]
    explained = {
        label
        for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.MULTILINE)
        for label in re.findall(r"`(\w+)`", row)
    }
    assert explained == {label for family in FAMILIES for label in labels_of(family)}


def queries(node: Any) -> Iterator[tuple[str, str]]:
    """Yield each query of the dashboard with its legend."""
    if isinstance(node, dict):
        if "expr" in node:
            yield node["expr"], node["legendFormat"]
        for value in node.values():
            yield from queries(value)
    elif isinstance(node, list):
        for value in node:
            yield from queries(value)


def test_the_dashboard_shows_each_metric_and_no_other() -> None:
    """Each name and each label in its queries is one of ours."""
    dashboard = json.loads((ROOT / "docs/grafana/bennu.json").read_text())
    known = {name: labels_of(family) for family in FAMILIES for name in shown_names(family)}
    shown: set[str] = set()
    found = list(queries(dashboard))
    assert len(found) > len(dashboard["panels"])
    for query, legend in found:
        names = re.findall(r"\bbennu_\w+", query)
        assert names, query
        labels = set(re.findall(r"(\w+)=~", query))
        for group in re.findall(r"\bby \((.*?)\)", query):
            labels |= set(group.split(", "))
        labels |= set(re.findall(r"\{\{(\w+)\}\}", legend))
        for name in names:
            assert labels - OF_PROMETHEUS <= set(known[name]), f"{query} {legend}"
        shown |= set(names)
    not_shown = [family.name for family in FAMILIES if not shown & set(shown_names(family))]
    assert not not_shown


def test_the_panels_do_not_overlap() -> None:
    dashboard = json.loads((ROOT / "docs/grafana/bennu.json").read_text())
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint can be made as the page says."""
    monkeypatch.setenv("METRICS_TOKEN", "a token of 20 bytes.".replace(" ", "-"))
    names = run_blocks(monkeypatch, "metrics", *blocks("docs/metrics.md"))
    assert names["metrics"].path == "/metrics"
    assert isinstance(names["endpoint"], Endpoint)
