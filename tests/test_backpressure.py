"""What a channel may say about slow clients."""

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
    """So the newest price does not take the place of the newest status."""
    policy = Latest(key="symbol")
    assert policy.key_of("price", payload) == ("price", "A")
    assert policy.key_of("status", payload) == ("status", "A")


@pytest.mark.parametrize("payload", [{}, {"bid": 1}, Quote, b"\x01", None])
def test_a_payload_without_the_field_stands_for_itself(payload: Any) -> None:
    """It takes nobody's place."""
    assert Latest(key="ask").key_of("price", payload) is None


def test_a_function_is_for_the_runtime_to_call() -> None:
    """It is the user's, so nobody calls it but what calls all of the user's functions."""
    policy = Latest(key=lambda event, payload: payload.symbol % 2)
    assert policy.key_of("moved", Position(3)) is None


def test_a_function_that_would_have_to_be_awaited_is_refused() -> None:
    """Nothing waits for it: its coroutine would be the same key for nothing."""

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
    """As for progress, where only the last counts."""
    assert Latest().key_of("progress", {"done": 3}) == "progress"


def test_dropping_the_oldest_has_no_keys() -> None:
    """Each message stands for itself."""
    assert DropOldest().key_of("e", {}) is None


@pytest.mark.parametrize("policy", [DropOldest, Latest])
@pytest.mark.parametrize("given", [0, -1, 1.5, True, "100", None])
def test_a_bound_is_a_number_above_0(policy: Any, given: Any) -> None:
    """Said where the class is made."""
    with pytest.raises(DefinitionError) as raised:
        policy(max=given)
    assert raised.value.subject == f"{policy.__name__}(max=...)"
    assert raised.value.got == repr(given)


def test_a_key_is_a_name_or_a_function() -> None:
    """Said where the class is made."""
    with pytest.raises(DefinitionError, match="the name of a field, or a function"):
        Latest(key=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["drop_oldest", None, DropOldest, Latest, 100])
def test_a_policy_that_is_none(given: Any) -> None:
    """Refused at start-up, with what to write."""

    class Room(Channel[None]):
        when_slow = given

    with pytest.raises(DefinitionError) as raised:
        Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room": Room})})
    assert raised.value.subject.endswith("Room.when_slow")
    assert raised.value.write == "when_slow = DropOldest(max=100)"


@pytest.mark.parametrize("given", ["close", DropOldest(max=3), Latest()])
def test_a_channel_knows_what_it_may_drop(given: WhenSlow) -> None:
    """Nothing, by default."""

    class Room(Channel[None]):
        when_slow: ClassVar[WhenSlow] = given

    policy = define(Room, Pattern("room")).drop_policy
    assert policy == (None if given == "close" else given)
    assert define(Channel, Pattern("room")).drop_policy is None


@pytest.mark.parametrize("given", [0, -1])
def test_something_must_be_allowed_to_wait(given: int) -> None:
    """max_unsent is above 0."""
    with pytest.raises(DefinitionError, match="max_unsent"):
        Socket(connect=lambda: None, channels={}, max_unsent=given)
