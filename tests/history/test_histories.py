"""Which topics have history: patterns, ephemeral events, and what is remembered."""

from __future__ import annotations

import pytest

from bennu import History
from bennu.history import histories as module
from bennu.history.histories import Histories
from bennu.history.history import NO_HISTORY


def test_the_first_pattern_counts_and_parameters_match_any_text() -> None:
    small, large = History(size=10, ephemeral=["typing"]), History(size=100)
    chosen = History.by_topic(lambda topic: large if topic.endswith(":west") else None)
    found = Histories.by_pattern(
        {"room:lobby": NO_HISTORY, "room:{id}": small, "hall:*": chosen, "room:*": large}
    )
    assert found.of("room:lobby") is None
    assert found.of("room:abc", "said") is small
    assert found.of("room:abc", "typing") is None
    assert found.of("room:a:b", "typing") is large
    assert found.of("hall:west") is large
    assert found.of("hall:east") is None
    assert found.of("other") is None


def test_each_topic_is_looked_up_once_and_the_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KNOWN", 3)
    asked: list[str] = []
    history = History()

    def find(topic: str) -> History | None:
        asked.append(topic)
        return history if topic != "none" else None

    found = Histories(find)
    for topic in ("none", "none", "a", "b", "a", "c", "none"):
        assert (found.of(topic) is None) is (topic == "none")
    assert asked == ["none", "a", "b", "c", "none"]
