"""The policies of ``when_slow``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import pytest

from bennu import Channel, DefinitionError, DropOldest, Endpoint, Latest, Socket
from bennu.backpressure import WhenSlow
from bennu.definition import define
from bennu.topic import Pattern


class Quote(msgspec.Struct):
    symbol: str


@dataclass
class Position:
    symbol: int


@pytest.mark.parametrize(
    "payload", [{"symbol": "A", "bid": 1}, Quote("A")], ids=["a dict", "a Struct"]
)
def test_a_field_is_a_key_together_with_the_event(payload: Any) -> None:
    """A newer price does not replace a newer status, because the event is part of the key."""
    policy = Latest(key="symbol")
    assert policy.key_of("price", payload) == ("price", "A")
    assert policy.key_of("status", payload) == ("status", "A")


@pytest.mark.parametrize("payload", [{}, {"bid": 1}, Quote, b"\x01", None])
def test_a_payload_without_the_field_stands_for_itself(payload: Any) -> None:
    """A payload without the field has no key, and replaces no other message."""
    assert Latest(key="ask").key_of("price", payload) is None


def test_a_function_is_for_the_server_to_call() -> None:
    """``key_of`` does not call the user's function: only the server calls it."""
    policy = Latest(key=lambda event, payload: payload.symbol % 2)
    assert policy.key_of("moved", Position(3)) is None


def test_a_function_that_would_have_to_be_awaited_is_refused() -> None:
    """An async key function is refused: its coroutine would be a different key for each message."""

    async def symbol(event: str, payload: Any) -> Any:
        return payload.symbol

    class Symbol:
        async def __call__(self, event: str, payload: Any) -> Any: ...

    def generator(event: str, payload: Any) -> Any:
        yield payload

    keys: list[Any] = [symbol, functools.partial(symbol), Symbol(), generator]
    for key in keys:
        with pytest.raises(DefinitionError, match="Latest"):
            Latest(key=key)


def test_without_a_key_the_newest_of_each_event_stays() -> None:
    """Without a key only the newest message of each event is kept, as for progress."""
    assert Latest().key_of("progress", {"done": 3}) == "progress"


def test_dropping_the_oldest_has_no_keys() -> None:
    """``DropOldest`` has no keys: no message replaces another."""
    assert DropOldest().key_of("e", {}) is None


@pytest.mark.parametrize("policy", [DropOldest, Latest])
@pytest.mark.parametrize("given", [0, -1, 1.5, True, "100", None])
def test_a_bound_is_a_number_above_0(policy: Any, given: Any) -> None:
    """The class refuses a ``max`` that is no whole number above 0."""
    with pytest.raises(DefinitionError) as raised:
        policy(max=given)
    assert raised.value.subject == f"{policy.__name__}(max=...)"
    assert raised.value.got == repr(given)


def test_a_key_is_a_name_or_a_function() -> None:
    """The class refuses a ``key`` that is no text and no function."""
    with pytest.raises(DefinitionError, match="the name of a field, or a function"):
        Latest(key=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["drop_oldest", None, DropOldest, Latest, 100])
def test_a_policy_that_is_none(given: Any) -> None:
    """An invalid policy is refused at start-up, and the error says what to write."""

    class Room(Channel[None]):
        when_slow = given

    with pytest.raises(DefinitionError) as raised:
        Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room": Room})})
    assert raised.value.subject.endswith("Room.when_slow")
    assert raised.value.write == "when_slow = DropOldest(max=100)"


@pytest.mark.parametrize("given", ["close", DropOldest(max=3), Latest()])
def test_a_channel_knows_what_it_may_drop(given: WhenSlow) -> None:
    """By default a channel drops no messages."""

    class Room(Channel[None]):
        when_slow: ClassVar[WhenSlow] = given

    policy = define(Room, Pattern("room")).drop_policy
    assert policy == (None if given == "close" else given)
    assert define(Channel, Pattern("room")).drop_policy is None


@pytest.mark.parametrize("given", [0, -1])
def test_something_must_be_allowed_to_wait(given: int) -> None:
    """``max_unsent`` must be above 0."""
    with pytest.raises(DefinitionError, match="max_unsent"):
        Socket(connect=lambda: None, channels={}, max_unsent=given)
