"""Keys, metas and refs. Protocol document, §6.1."""

from __future__ import annotations

import base64
import re
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from msgspec import msgpack

from bennu import EncodeError, KeyRefused, MetaRefused, Presence, Refused
from bennu.presence.names import INHERITED, MAX_KEY, MAX_META, Refs, key_of, meta_of, stable_hash

from ..support.memory import endpoint_of, serve
from ..support.properties import json_objects, property_test


@pytest.mark.parametrize(
    ("key", "text"),
    [("u1", "u1"), (5, "5"), (-1, "-1"), ("", ""), ("ä😀", "ä😀"), ("proto", "proto")],
)
def test_a_key_is_text_or_a_number_that_becomes_text(key: Any, text: str) -> None:
    assert key_of(key) == text


class Name(str):
    __slots__ = ()


class Place(StrEnum):
    LOBBY = "lobby"


@pytest.mark.parametrize(("given", "text"), [(Name("u1"), "u1"), (Place.LOBBY, "lobby")])
def test_a_text_of_a_class_of_its_own_becomes_plain(given: str, text: str) -> None:
    """MessagePack can't send other classes to other nodes."""
    key = key_of(given)
    assert (key, type(key)) == (text, str)


async def test_keys_and_topics_may_be_texts_of_a_class_of_their_own() -> None:
    """They equal the plain texts."""
    presence = Presence()
    async with serve(endpoint_of({}, presence=presence)):
        ref = await presence.track("me", Name("u1"), topic=Name("lobby"))
        assert await presence.get_by_key(Place.LOBBY, "u1") == {"metas": [{"phx_ref": ref}]}
        await presence.untrack("me", "u1", topic=Place.LOBBY)
        assert await presence.list("lobby") == {}


@pytest.mark.parametrize("key", sorted(INHERITED))
def test_what_every_javascript_object_inherits_is_refused(key: str) -> None:
    """The error says what to write, and the client gets the reason."""
    with pytest.raises(KeyRefused, match="write a prefix") as caught:
        key_of(key)
    assert isinstance(caught.value, Refused)
    assert caught.value.payload == {"reason": "presence_key"}
    assert key_of(f"user:{key}") == f"user:{key}"


def test_all_names_of_a_javascript_object_are_known() -> None:
    """These are the names that ``Object.getOwnPropertyNames(Object.prototype)`` lists."""
    assert len(INHERITED) == 12
    assert {"__proto__", "constructor", "toString", "hasOwnProperty"} < INHERITED


@pytest.mark.parametrize("key", [None, True, 1.5, b"u1", ("u1",), "\ud800"])
def test_other_keys_are_refused(key: Any) -> None:
    with pytest.raises(KeyRefused, match="text"):
        key_of(key)


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_long_key_is_refused(letter: str) -> None:
    """All clients of the topic would get the key."""
    longest = letter * (MAX_KEY // len(letter.encode()))
    assert key_of(longest) == longest
    with pytest.raises(KeyRefused, match="at most 1,024 bytes"):
        key_of(longest + letter)


def test_a_large_meta_is_refused() -> None:
    """The size counts in the bytes that other nodes get."""
    assert meta_of({"x": "y" * (MAX_META - 10)})
    with pytest.raises(MetaRefused, match="at most 65,536 bytes") as caught:
        meta_of({"x": "y" * MAX_META})
    assert caught.value.payload == {"reason": "presence_meta"}


def test_a_meta_is_a_copy() -> None:
    """A later change of the user's object, at any depth, does not change the meta."""
    given: dict[Any, Any] = {"a": {"b": [1]}, 5: "number"}
    meta = meta_of(given)
    given["a"]["b"].append(2)
    assert meta == {"a": {"b": [1]}, "5": "number"}
    assert meta_of(None) == {}
    assert meta_of({"tuple": (1, 2)}) == {"tuple": [1, 2]}


@property_test
@given(json_objects)
def test_a_meta_of_plain_values_is_kept_or_refused(meta: dict[str, Any]) -> None:
    """Only numbers that other nodes could not read are refused."""
    try:
        made = meta_of(meta)
    except EncodeError as error:
        assert "int" in str(error).lower()  # noqa: PT017 - most metas are no error
    else:
        assert made == {key: value for key, value in meta.items() if not key.startswith("phx_ref")}


_circle: list[Any] = []
_circle.append(_circle)


@pytest.mark.parametrize(
    "meta",
    [
        {"m": object()},
        {"m": 2**64},
        {"m": "\ud800"},
        {"m": msgpack.Ext(5, b"")},
        {"m": _circle},
        ["m"],
    ],
)
def test_a_meta_that_other_nodes_can_not_be_told_of_is_refused(meta: Any) -> None:
    """In a heartbeat such a meta would prevent all other changes from being sent."""
    with pytest.raises(EncodeError, match="the meta of a presence"):
        meta_of(meta)


def test_refs_are_16_characters_and_all_different() -> None:
    """A ref is URL-safe base64 of the time, a hash of node and shard, and a counter."""
    one, other = Refs("node", "presence_shard0"), Refs("node", "presence_shard1")
    made = [refs.make() for _ in range(1000) for refs in (one, other)]
    assert len(set(made)) == 2000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}", ref) for ref in made)
    first, second = (base64.urlsafe_b64decode(ref) for ref in (made[0], made[2]))
    assert first[:8] <= second[:8]
    assert first[8:10] == second[8:10]
    assert (int.from_bytes(first[10:]) + 1) % 0x10000 == int.from_bytes(second[10:])


def test_the_hash_of_a_topic_is_the_same_on_every_node() -> None:
    """The hash is the CRC-32 of the topic in UTF-8, the same in every process."""
    assert stable_hash("room:lobby") == 3730926261
    assert stable_hash("") == 0
    assert isinstance(stable_hash("\ud800"), int)
