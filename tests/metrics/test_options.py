"""The options of metrics."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import DefinitionError, Endpoint, Metrics
from bennu.metrics.options import given_metrics


def test_a_path_means_the_defaults() -> None:
    assert given_metrics(None) is None
    metrics = given_metrics("/inside/metrics")
    assert metrics is not None
    assert (metrics.path, metrics.tokens) == ("/inside/metrics", ())
    assert given_metrics(metrics) is metrics
    assert Metrics().path == "/metrics"


def test_there_can_be_several_tokens() -> None:
    assert Metrics(token="a" * 20).tokens == (b"a" * 20,)
    assert Metrics(token=["a" * 20, b"b" * 20]).tokens == (b"a" * 20, b"b" * 20)


@pytest.mark.parametrize("path", ["metrics", "/metrics/", "/"])
def test_a_path_begins_with_a_slash_and_does_not_end_with_one(path: str) -> None:
    with pytest.raises(DefinitionError, match="begins with /"):
        Metrics(path)


@pytest.mark.parametrize(
    "token", ["secret-and-short", "", [], 7, "a b" * 20, "é" * 20, "\x7f" * 20]
)
def test_a_token_that_can_not_be_used_is_not_shown(token: Any) -> None:
    with pytest.raises(DefinitionError, match="METRICS_TOKEN") as caught:
        Metrics(token=token)
    assert "secret-and-short" not in str(caught.value)


def test_an_endpoint_takes_a_path_or_metrics() -> None:
    wrong: Any = True
    with pytest.raises(DefinitionError, match='metrics="/metrics"'):
        Endpoint(sockets={}, metrics=wrong)
    with pytest.raises(DefinitionError, match="begins with /"):
        Endpoint(sockets={}, metrics="metrics")
