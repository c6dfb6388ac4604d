"""Entries: each is as other nodes will see it, or an error where it is made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from msgspec import msgpack

from bennu.errors import EncodeError
from bennu.presence.crdt import Diff, Entry
from bennu.presence.crdt.entry import make_entry

from ...support.properties import json_objects, property_test


def test_a_diff_is_true_if_there_is_anything_in_it() -> None:
    """A join or a leave."""
    entry = Entry("t", 1, "k", {})
    assert [bool(d) for d in (Diff(), Diff([entry]), Diff([], [entry]))] == [False, True, True]


@property_test
@given(json_objects)
def test_a_meta_of_plain_values_is_kept_or_refused(meta: dict[str, Any]) -> None:
    """Refused are only numbers that others could not read."""
    try:
        made = make_entry("t", 1, "k", meta)
    except EncodeError as error:
        assert "int" in str(error)  # noqa: PT017 - most metas are no error
    else:
        assert made == Entry("t", 1, "k", meta)


def test_an_entry_does_not_change_with_what_it_was_made_of() -> None:
    """Nor is it other than what is told to other nodes."""
    meta: dict[str, Any] = {"list": [1], "tuple": (1, 2)}
    made = make_entry("t", 1, "k", meta)
    meta["list"].append(2)

    assert made.meta == {"list": [1], "tuple": [1, 2]}


_circle: list[Any] = []
_circle.append(_circle)


@pytest.mark.parametrize(
    ("key", "meta"),
    [
        ("k", {"m": object()}),
        ("k", {"m": 2**64}),
        ("k", {5: "m"}),
        ("k", {"m": "\ud800"}),
        ("k", {"m": msgpack.Ext(5, b"")}),
        ("k", {"m": _circle}),
        ("k", ["m"]),
        (5, {}),
        ("\ud800", {}),
    ],
)
def test_what_can_not_be_told_to_others_is_an_error(key: Any, meta: Any) -> None:
    """The text says of which presence, and what would be right."""
    with pytest.raises(
        EncodeError, match=r"can't be told to other nodes: .*a meta of plain values"
    ):
        make_entry("t", 1, key, meta)
