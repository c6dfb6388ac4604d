"""What the reply to a join says of recovery."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import Raw, Struct

from bennu.errors import EncodeError
from bennu.history.answer import NotRecovered, RecoveryAnswer, add_recovery
from bennu.history.position import Position

WHOLE = RecoveryAnswer(Position("k3", 17), 3, None)


class Room(Struct):
    name: str


def test_a_recovered_client_is_told_where_it_stands_and_how_much_follows() -> None:
    assert WHOLE.payload() == {"recovered": True, "epoch": "k3", "offset": 17, "count": 3}


@pytest.mark.parametrize(
    ("missed", "reason"),
    [
        (NotRecovered.NEW, "new"),
        (NotRecovered.INVALID, "invalid"),
        (NotRecovered.EPOCH, "epoch"),
        (NotRecovered.AHEAD, "ahead"),
        (NotRecovered.TRIMMED, "trimmed"),
        (NotRecovered.TOO_MANY, "too_many"),
    ],
)
def test_another_client_is_told_the_reason(missed: NotRecovered, reason: str) -> None:
    answer = RecoveryAnswer(Position("k3", 20), 0, missed)
    payload = answer.payload()
    assert payload == {"recovered": False, "epoch": "k3", "offset": 20, "reason": reason}
    assert missed.meaning


@pytest.mark.parametrize(
    ("response", "fields"),
    [
        (None, {}),
        ({}, {}),
        ({"a": 1}, {"a": 1}),
        (Room("lobby"), {"name": "lobby"}),
        (Raw(b'{"a": 1}'), {"a": 1}),
        (Raw(b'  {"a": [ ]  }\n'), {"a": []}),
        (Raw(b"{ }"), {}),
    ],
)
def test_the_response_gets_one_more_key(response: Any, fields: dict[str, Any]) -> None:
    added = json.loads(bytes(add_recovery(response, WHOLE)))
    assert added == {**fields, "recovery": WHOLE.payload()}


@pytest.mark.parametrize(
    "response", [[], "text", 1, True, b"{}", {"recovery": 1}, Raw(b"{"), Raw(b'{"\xff": 1}')]
)
def test_a_response_without_room_for_the_key_is_refused(response: Any) -> None:
    with pytest.raises(EncodeError, match="a JSON object without the key 'recovery'"):
        add_recovery(response, WHOLE)


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53), max_size=5))
def test_any_object_is_kept(response: dict[str, Any]) -> None:
    response.pop("recovery", None)
    added = json.loads(bytes(add_recovery(response, WHOLE)))
    assert added.pop("recovery") == WHOLE.payload()
    assert added == response
