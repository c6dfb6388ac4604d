"""The types of messages between nodes: what travels, what does not, and what a node does with bytes of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import Struct
from pydantic import BaseModel

from bennu import Broadcast
from bennu.errors import DecodeError, DefinitionError, EncodeError
from bennu.pubsub import MessageTypes


class Price(Struct, frozen=True):
    """A message of the application."""

    cents: int


@dataclass
class Stock:
    """Another one."""

    name: str
    count: int = 0


class Order(BaseModel):
    """A model of pydantic."""

    number: int


def same_name(field: str) -> type[Any]:
    """Return a class that has the name of another class."""

    class Same(Struct):
        pass

    Same.__annotations__[field] = int
    return Same


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize("message", [Price(5), Stock("ann", 3), Order(number=7)])
def test_a_registered_type_survives(message: Any) -> None:
    """A Struct, a dataclass, a model: the receiver gets an equal object of the same class."""
    types = MessageTypes([Price, Stock, Order])
    tag, content = types.pack(message)
    found = types.unpack(tag, content)
    assert found == message
    assert type(found) is type(message)


@given(JSON)
def test_builtin_values_need_no_registration(value: Any) -> None:
    """Values of JSON travel as they are."""
    types = MessageTypes()
    tag, content = types.pack(value)
    assert tag == ""
    assert types.unpack(tag, content) == value


@pytest.mark.parametrize("message", [Price(5), (1, 2), {1}, b"bytes", object()])
def test_an_unregistered_type_does_not_travel(message: Any) -> None:
    """The error says what to write."""
    name = type(message).__qualname__
    with pytest.raises(EncodeError, match=rf"Endpoint\(messages=\[{name}\]\)"):
        MessageTypes().pack(message)


def test_a_subclass_is_a_type_of_its_own() -> None:
    """The receiver would get an object of the base class."""

    class Special(Stock):
        pass

    class Text(str):
        __slots__ = ()

    types = MessageTypes([Stock])
    for message in (Special("ann"), Text("text")):
        with pytest.raises(EncodeError, match="can't travel"):
            types.pack(message)


def test_a_message_without_a_json_form() -> None:
    """The sender gets the error."""
    with pytest.raises(EncodeError):
        MessageTypes().pack({"key": object()})


def test_the_types_of_handlers_are_registered() -> None:
    """Types that JSON can't become are left out: their messages stay in the process."""
    types = MessageTypes(heard=[Price, object, str, "no type", list[int], type(None), Price])
    assert types.unpack(*types.pack(Price(1))) == Price(1)
    assert types.unpack(*types.pack("text")) == "text"


def test_broadcasts_are_no_typed_messages() -> None:
    """A handler names them. Yet a node that gets one as a typed message does not know the type."""
    types = MessageTypes(heard=[Broadcast])
    with pytest.raises(DecodeError, match="does not know"):
        types.unpack("bennu.message.Broadcast", b'{"topic":"a","event":"b","payload":{}}')


@pytest.mark.parametrize(
    ("given_types", "text"),
    [
        ([Price, "Price"], "a class"),
        ([list[int]], "a class"),
        ([same_name("a"), same_name("b")], "names of their own"),
    ],
)
def test_a_type_that_cannot_be_registered(given_types: list[Any], text: str) -> None:
    """The error names ``Endpoint(messages=...)``."""
    with pytest.raises(DefinitionError, match=r"Endpoint\(messages=\.\.\.\)") as raised:
        MessageTypes(given_types)
    assert text in str(raised.value)


def test_a_type_twice_is_one_type() -> None:
    """A handler and the option can name the same type."""
    types = MessageTypes([Price, Price], [Price])
    assert types.unpack(*types.pack(Price(1))) == Price(1)


def test_of_two_handlers_types_with_one_name_the_second_stays_in_the_process() -> None:
    """Under the first type's name it would arrive as the first type."""
    first, second = same_name("a"), same_name("b")
    types = MessageTypes(heard=[first, second])
    types.pack(first())
    with pytest.raises(EncodeError, match="can't travel"):
        types.pack(second())


@pytest.mark.parametrize(
    ("tag", "content", "text"),
    [
        ("elsewhere.Price", b"{}", "does not know"),
        (f"{__name__}.Price", b"{}", "does not fit"),
        (f"{__name__}.Price", b"", "does not fit"),
        (f"{__name__}.Price", b'{"cents":"1"}', "does not fit"),
        (f"{__name__}.Order", b'{"number":"x"}', "does not fit"),
        ("", b"\xff", "does not fit"),
        ("", b"[" * 100_000, "does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(tag: str, content: bytes, text: str) -> None:
    """Another version of the application can run on the other node, or an attacker."""
    types = MessageTypes([Price, Order])
    with pytest.raises(DecodeError, match=text):
        types.unpack(tag, content)


@given(st.sampled_from(["", f"{__name__}.Price", f"{__name__}.Stock"]), st.binary())
def test_any_bytes_are_a_message_or_an_error(tag: str, content: bytes) -> None:
    """No other exception leaves ``unpack``."""
    types = MessageTypes([Price, Stock])
    try:
        message = types.unpack(tag, content)
    except DecodeError:
        return
    assert types.pack(message)[0] == tag
