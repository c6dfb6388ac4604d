"""The names of the dashboard's own topics."""

from __future__ import annotations

import pytest

from bennu.dashboard.names import FIGURES, INSPECTOR, is_own


@pytest.mark.parametrize(
    ("topic", "own"), [(FIGURES, True), (INSPECTOR, True), ("room:1", False), (7, False)]
)
def test_a_topic_is_the_dashboards_own(topic: object, own: bool) -> None:
    assert is_own(topic) is own
