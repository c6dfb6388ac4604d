"""Positions, and what a join asks for: any JSON refuses nobody."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import Raw

from bennu.errors import DecodeError
from bennu.history.position import MAX_OFFSET, Asked, Position, split_payload

TOKEN = "f1" * 8

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=4,
)


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def test_the_text_of_a_position_is_no_ref_of_a_client() -> None:
    assert str(Position("k3", 17)) == "17:k3"


class TestAsked:
    @pytest.mark.parametrize(
        ("given", "position", "client"),
        [
            ({}, None, ""),
            ({"client": ""}, None, ""),
            ({"client": TOKEN}, None, TOKEN),
            ({"epoch": None, "offset": None}, None, ""),
            ({"epoch": "k3", "offset": 0}, Position("k3", 0), ""),
            ({"epoch": "_-" * 16, "offset": MAX_OFFSET}, Position("_-" * 16, MAX_OFFSET), ""),
            ({"epoch": "k3", "offset": 17, "client": "A" * 64}, Position("k3", 17), "A" * 64),
            ({"epoch": "k3", "offset": 17, "later": "ignored"}, Position("k3", 17), ""),
        ],
    )
    def test_valid(self, given: Any, position: Position | None, client: str) -> None:
        assert Asked.read(raw(given)) == Asked(position, client, is_valid=True)

    @pytest.mark.parametrize(
        "text",
        [
            b"null",
            b"[]",
            b"1",
            b'"text"',
            b"{",
            b'{"epoch": "k3"}',
            b'{"offset": 1}',
            b'{"epoch": "", "offset": 1}',
            b'{"epoch": "a b", "offset": 1}',
            b'{"epoch": "k3\\n", "offset": 1}',
            b'{"epoch": "\xc3\xa4", "offset": 1}',
            b'{"epoch": "\xff", "offset": 1}',
            b'{"epoch": "\\ud800", "offset": 1}',
            b'{"epoch": 3, "offset": 1}',
            b'{"epoch": "' + b"a" * 33 + b'", "offset": 1}',
            b'{"epoch": "k3", "offset": -1}',
            b'{"epoch": "k3", "offset": 9007199254740992}',
            b'{"epoch": "k3", "offset": 1e400}',
            b'{"epoch": "k3", "offset": ' + b"9" * 200 + b"}",
            b'{"epoch": "k3", "offset": 1.0}',
            b'{"epoch": "k3", "offset": "1"}',
            b'{"epoch": "k3", "offset": true}',
            b'{"client": 1}',
            b'{"client": null}',
            b'{"client": "short"}',
            b'{"client": "' + b"a" * 65 + b'"}',
            b'{"client": "' + b"a" * 15 + b'\\n"}',
            b"[" * 120 + b"]" * 120,
            b"{" + b" " * 255 + b"}",
        ],
    )
    def test_invalid(self, text: bytes) -> None:
        assert Asked.read(Raw(text)) == Asked(None, "", is_valid=False)

    @given(st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
    def test_any_text(self, text: bytes) -> None:
        asked = Asked.read(Raw(text))
        assert asked.is_valid or asked == Asked(None, "", is_valid=False)

    @given(
        st.fixed_dictionaries(
            {}, optional={"epoch": json_values, "offset": json_values, "client": json_values}
        )
    )
    def test_any_values(self, given: dict[str, Any]) -> None:
        position = Asked.read(raw(given)).position
        assert position is None or position == (given["epoch"], given["offset"])


class TestSplit:
    def test_a_join_that_asks(self) -> None:
        payload, asked = split_payload(
            Raw(b'{"a": [1.0, "\\u00e4"], "recovery": {"epoch": "k3", "offset": 1}, "b": {}}')
        )
        assert bytes(payload) == b'{"a":[1.0, "\\u00e4"],"b":{}}'
        assert asked == Asked(Position("k3", 1), "", is_valid=True)

    def test_a_join_with_nonsense_asks_too(self) -> None:
        payload, asked = split_payload(Raw(b'{"recovery": null}'))
        assert (bytes(payload), asked) == (b"{}", Asked(None, "", is_valid=False))

    @pytest.mark.parametrize(
        "payload",
        [
            b"{}",
            b'{"a": 1}',
            b'{"a": "recovery"}',
            b'{"a": {"recovery": {}}}',
            b'["recovery"]',
            b'"recovery"',
            b'{"recovery": {}',
            b'{"recovery": {}, "\\ud800": 1}',
            b'\xff"recovery"',
            b"",
        ],
    )
    def test_another_payload_is_unchanged(self, payload: bytes) -> None:
        given = Raw(payload)
        found, asked = split_payload(given)
        assert found is given
        assert asked is None

    def test_a_binary_join_asks_for_nothing(self) -> None:
        payload: Any = b'{"recovery": {}}'
        assert split_payload(payload) == (payload, None)

    @given(st.dictionaries(st.text(), json_values, max_size=4), json_values)
    def test_only_the_key_is_taken_out(self, fields: dict[str, Any], value: Any) -> None:
        payload, asked = split_payload(raw({**fields, "recovery": value}))
        fields.pop("recovery", None)
        assert json.loads(bytes(payload)) == json.loads(json.dumps(fields))
        assert asked == Asked.read(raw(value))

    @given(st.binary(max_size=60).map(lambda part: b'{"recovery":' + part + b"}"))
    def test_any_bytes_raise_nothing(self, payload: bytes) -> None:
        found, asked = split_payload(Raw(payload))
        assert asked is not None or bytes(found) == payload
        if asked is not None:
            assert "recovery" not in msgspec.json.decode(bytes(found), type=dict[str, Raw])


@pytest.mark.parametrize(
    "position",
    [Position("k3", 17), "17:k3", {"epoch": "k3", "offset": 17, "client": "of a helper of pages"}],
)
def test_each_form_is_read(position: Any) -> None:
    assert Position.of(position) == Position("k3", 17)
    assert str(Position.of(position)) == "17:k3"


@pytest.mark.parametrize(
    "position",
    [
        *(None, 18, True, "", "17", ":k3", "17:", "-1:k3", "1.5:k3", "17:k 3", "17:" + "k" * 33),
        *(
            b"17:k3",
            [],
            ["k3", 17],
            ("k3", 17),
            {},
            {"epoch": "k3"},
            {"epoch": "k3", "offset": "17"},
        ),
        *(Position("k3", -1), Position("", 1), Position("k3", MAX_OFFSET + 1), "9" * 17 + ":k3"),
        *({"epoch": "k3", "offset": True}, {"epoch": 3, "offset": 1}, "\u0661:k3"),
    ],
)
def test_everything_else_is_refused_with_an_example(position: Any) -> None:
    with pytest.raises(DecodeError, match=r'expected a position, such as "17:k3"'):
        Position.of(position)


def test_the_error_is_short() -> None:
    with pytest.raises(DecodeError) as caught:
        Position.of("x" * 10_000)
    assert len(str(caught.value)) < 400
