"""The option of an idempotent handler, and the key of a push."""

from __future__ import annotations

import json
from datetime import timedelta
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from msgspec import Meta, Struct

from bennu.errors import DefinitionError
from bennu.history.idempotent import Idempotent, digest_of, idempotent_of, key_of
from bennu.user_code.fields import MISSING

from ..support.properties import json_objects, texts

BY_KEY = Idempotent("key", 86_400.0)
A_UUID = UUID("12345678-1234-5678-1234-567812345678")


class Payment(Struct):
    """A payload with a key of each type."""

    key: str
    limited: Annotated[str, Meta(min_length=16)]
    number: int
    unique: UUID
    any: Any
    one_of: Literal["a", "b"]
    optional: str | None
    either: str | int
    flag: bool
    amount: float
    texts: list[str]
    wrong_union: str | list[str]


class Colour(StrEnum):
    """Text with few values."""

    RED = "red"


class Size(IntEnum):
    """A number with few values."""

    SMALL = 1


class Plain(Enum):
    """Values without a type."""

    ONE = "1"


def option(field: Any, ttl: Any = None, annotation: Any = Payment) -> Idempotent | None:
    return idempotent_of(field, ttl, annotation, subject="the handler Shop.pay", where="shop.py:7")


def test_an_option() -> None:
    assert option(None) is None
    assert option("key") == BY_KEY
    assert option("key", timedelta(minutes=5)) == Idempotent("key", 300.0)
    assert option("key", timedelta(seconds=1)) == Idempotent("key", 1.0)
    assert option("key", timedelta(days=366)) == Idempotent("key", 366 * 86_400.0)
    assert option("key", None, dict[str, Any]) == BY_KEY
    assert option("key", None, Any) == BY_KEY


@pytest.mark.parametrize(
    "field", ["key", "limited", "number", "unique", "any", "one_of", "optional", "either"]
)
def test_a_key_is_text_or_a_whole_number(field: str) -> None:
    assert option(field) == Idempotent(field, 86_400.0)


@pytest.mark.parametrize(
    ("field", "ttl", "annotation", "words"),
    [
        (None, timedelta(1), Payment, 'idempotent_by="key", ttl=datetime.timedelta(days=1)'),
        (7, None, Payment, "the name of a field of the payload\n  got:      7"),
        ("other", None, Payment, "the field 'other'\n  got:      Payment, which has none"),
        ("key", None, list[str], "the field 'key'\n  got:      list[str], which has none"),
        ("key", None, bytes, "the field 'key'\n  got:      bytes, which has none"),
        ("key", None, MISSING, "the field 'key'\n  got:      no payload"),
        ("flag", None, Payment, "text, a whole number or a UUID\n  got:      bool"),
        ("amount", None, Payment, "text, a whole number or a UUID\n  got:      float"),
        ("texts", None, Payment, "text, a whole number or a UUID\n  got:      list[str]"),
        ("wrong_union", None, Payment, "text, a whole number or a UUID\n  got:      str | list"),
        ("key", None, dict[str, Colour], "text, a whole number or a UUID\n  got:      Colour"),
        ("key", 3600, Payment, "ttl=timedelta(seconds=3600)"),
        ("key", 0, Payment, "ttl=timedelta(hours=24)"),
        ("key", True, Payment, "ttl=timedelta(hours=24)"),
        ("key", "1h", Payment, "a timedelta from 1 second to 366 days\n  got:      '1h'"),
        ("key", timedelta(0), Payment, "a timedelta from 1 second to 366 days"),
        ("key", timedelta(days=367), Payment, "a timedelta from 1 second to 366 days"),
    ],
)
def test_a_wrong_option_is_refused(field: Any, ttl: Any, annotation: Any, words: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        option(field, ttl, annotation)
    text = str(raised.value)
    assert words in text
    assert "the handler Shop.pay" in text
    assert "shop.py:7" in text


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("k", "k"),
        ("k" * 255, "k" * 255),
        ("ä🐦\0", "ä🐦\0"),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (A_UUID, str(A_UUID)),
        ("", None),
        ("k" * 256, None),
        (2**63, None),
        (-(2**63) - 1, None),
        (True, None),
        (1.0, None),
        (None, None),
        (b"k", None),
        (["k"], None),
        (Colour.RED, None),
        (Size.SMALL, None),
        (Plain.ONE, None),
    ],
)
def test_the_key_in_a_payload(value: Any, key: Any) -> None:
    assert BY_KEY.key_in({"key": value}) == key


def test_a_payload_without_key() -> None:
    for payload in ({}, {"other": "k"}, None, ["key"], "key", b"key", 7):
        assert BY_KEY.key_in(payload) is None


scopes = st.tuples(texts, texts, texts, texts | st.integers(-(2**63), 2**63 - 1))


@given(scopes, scopes)
def test_only_equal_scopes_have_one_key(
    one: tuple[str, str, str, str | int], two: tuple[str, str, str, str | int]
) -> None:
    assert (key_of(*one) == key_of(*two)) == (one == two)


def test_a_key_of_the_store() -> None:
    """Other nodes look for the same key, so it must not change."""
    names = {
        key_of("room:1", "pay", "user:1", "k"),
        key_of("room:1", "pay", "user:1k", ""),
        key_of("room:1", "pa", "yuser:1", "k"),
        key_of("room:1", "pay", "user:1", "1"),
        key_of("room:1", "pay", "user:1", 1),
        key_of("\ud83d", "\0", "x" * 100_000, "'\""),
    }
    assert len(names) == 6
    assert all(len(name) == 69 for name in names)
    expected = "push:2b2710c2a061ab2ea6c49056e4a416f62189ba6d507d24ea897ac2efd6b36896"
    assert key_of("room:1", "pay", "user:1", "k") == expected


@given(json_objects)
def test_the_order_of_keys_does_not_count(payload: dict[str, Any]) -> None:
    turned = dict(reversed(payload.items()))
    one, two = json.dumps(payload).encode(), json.dumps(turned, indent=2).encode()
    assert digest_of(one) == digest_of(two)
    assert len(digest_of(one)) == 16


def test_another_payload_has_another_digest() -> None:
    payloads = [b'{"a":1}', b'{"a":"1"}', b'{"a":[1]}', b'{"b":1}', b"{}", b"nonsense", b'"\xff"']
    assert len({digest_of(payload) for payload in payloads}) == len(payloads)
