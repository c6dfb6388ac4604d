"""The queries of the dashboard for Grafana have few forms, and each result is shown in its unit."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from tests.support.pages import ROOT

BOARD: Final = json.loads((ROOT / "docs/grafana/bennu.json").read_text())
PANELS: Final = [panel for panel in BOARD["panels"] if panel["type"] != "row"]

TOTAL: Final = "_" + "total"
"""The end of the name of a counter."""

OF_JOB: Final = r'{job=~"\$job"}'
RANGE: Final = r"\[\$__rate_interval\]"
BY: Final = r"( by \(\w+(, \w+)*\) )?"
FORMS: Final = {
    "quantile": rf"histogram_quantile\(0\.\d+, sum by \(le(, \w+)*\) \(rate\((?P<name>\w+)_bucket{OF_JOB}{RANGE}\)\)\)",
    "rate": rf"sum{BY}\(rate\((?P<name>\w+){OF_JOB}{RANGE}\)\)",
    "share": rf"sum\(rate\((?P<name>\w+){OF_JOB}{RANGE}\)\) / sum\(bennu_workers{OF_JOB}\)",
    "increase": rf"sum{BY}\(increase\((?P<name>\w+){OF_JOB}{RANGE}\)\)",
    "now": rf"(sum|min|max){BY}\((?P<name>\w+){OF_JOB}\)",
}


def units_of(expression: str) -> set[str]:
    """Return the units in which the result of a query can be shown.

    Raises:
        AssertionError: The query has none of the forms.
    """
    matches = ((form, re.fullmatch(pattern, expression)) for form, pattern in FORMS.items())
    form, found = next(((form, found) for form, found in matches if found), ("none", None))
    assert found is not None, f"no known form: {expression}"
    *_, last = found["name"].removesuffix(TOTAL).split("_")
    if form == "quantile":
        return {"s"} if last == "seconds" else {"short"}
    if form == "rate":
        if last == "seconds":
            return {"short"}  # of CPU time: cores
        return {"Bps"} if last == "bytes" else {"cps", "mps"}
    if form == "share":
        return {"percentunit"}
    if form == "now" and last in ("bytes", "seconds"):
        return {"bytes"} if last == "bytes" else {"s"}
    return {"short"}


def unit_of(panel: dict[str, Any], query: str) -> str:
    """Return the unit in which a panel shows a query."""
    config = panel["fieldConfig"]
    unit: str = config["defaults"]["unit"]
    for override in config["overrides"]:
        if override["matcher"] == {"id": "byFrameRefID", "options": query}:
            for value in override["properties"]:
                unit = value["value"] if value["id"] == "unit" else unit
    return unit


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_each_query_is_shown_in_its_unit(panel: dict[str, Any]) -> None:
    queries = [target["refId"] for target in panel["targets"]]
    assert len(queries) == len(set(queries))
    for target in panel["targets"]:
        assert unit_of(panel, target["refId"]) in units_of(target["expr"]), target["expr"]


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_each_override_is_for_a_query_of_its_panel(panel: dict[str, Any]) -> None:
    queries = {target["refId"] for target in panel["targets"]}
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        assert matcher["id"] == "byValue" or matcher["options"] in queries
