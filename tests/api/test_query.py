"""Queries of the HTTP API."""

from __future__ import annotations

import pytest

from bennu.api.openapi import OPERATIONS
from bennu.api.query import read_query
from bennu.api.refusal import APIRefusal

BY_PATH = {one.path: one for one in OPERATIONS}
PRESENCES, SUBSCRIBERS, NODES = (BY_PATH[path] for path in ("/presences", "/subscribers", "/nodes"))


def test_what_fits_is_read() -> None:
    assert read_query(b"", NODES) == {}
    assert read_query(b"topic=room%3A1&presence=", PRESENCES) == {
        "topic": ["room:1"],
        "presence": [""],
    }
    assert read_query(b"topic=a&topic=b+c&topic=%E2%9A%A1", SUBSCRIBERS) == {
        "topic": ["a", "b c", "⚡"]
    }


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (b"", "topic"),
        (b"topic=a&topic=b", "topic"),
        (b"topic=a&x=1", "x"),
        (b"topic=" + b"a" * 1025, "topic"),
        (b"topic", ""),
        (b"topic=%ff", ""),
        (b"topic=\xff", ""),
        (b"&".join([b"topic=a"] * 101), ""),
        (b"topic=" + b"a" * 70_000, ""),
    ],
)
def test_what_does_not_fit_is_refused(query: bytes, path: str) -> None:
    with pytest.raises(APIRefusal) as caught:
        read_query(query, PRESENCES)
    assert [one["path"] for one in caught.value.errors] == [path]
