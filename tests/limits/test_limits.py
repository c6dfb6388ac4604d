"""The limits that users set: a mistake raises an error when the object is made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bennu import Channel, DefinitionError, Endpoint, Limits, Rate, Rates, Socket, on
from bennu.testing.clock import VirtualLoop, advance

from ..support.memory import serve


def test_nothing_is_limited_until_it_is_set() -> None:
    """All limits are off by default: behind a proxy all clients have one address, and rates depend on the application."""
    assert Limits().connection_limits() is None
    rates = Rates()
    assert (rates.joins, rates.messages, rates.bytes) == (None, None, None)
    assert (rates.excess, rates.close_after) == ("reply", 100)
    assert Socket(connect=lambda: None, channels={}).rates is None


@pytest.mark.parametrize(
    "limits",
    [Limits(connections=1), Limits(connections_per_ip=1), Limits(connects_per_ip="1/s")],
    ids=["connections", "connections_per_ip", "connects_per_ip"],
)
def test_each_limit_of_an_endpoint_makes_connection_limits(limits: Limits) -> None:
    counts = limits.connection_limits()
    assert counts is not None
    assert counts.enter("a", 0.0) is None
    assert counts.enter("a", 0.0) is not None


def test_rates_are_text_or_rates() -> None:
    rates = Rates(joins="20/10s", messages=Rate(5, per=1), bytes="64k/second", close_after=None)
    assert rates.joins == Rate(20, per=10)
    assert rates.messages == Rate(5, per=1)
    assert rates.bytes == Rate(64_000, per=1)
    assert rates.close_after is None


@pytest.mark.parametrize(
    ("kind", "options", "subject"),
    [
        (Limits, {"connections": 0}, "Limits(connections=...)"),
        (Limits, {"connections": "many"}, "Limits(connections=...)"),
        (Limits, {"connections": True}, "Limits(connections=...)"),
        (Limits, {"connections_per_ip": -1}, "Limits(connections_per_ip=...)"),
        (Limits, {"connects_per_ip": 10}, "Limits(connects_per_ip=...)"),
        (Rates, {"joins": "often"}, "Rates(joins=...)"),
        (Rates, {"messages": "1/fortnight"}, "Rates(messages=...)"),
        (Rates, {"bytes": 1000}, "Rates(bytes=...)"),
        (Rates, {"excess": "shout"}, "Rates(excess=...)"),
        (Rates, {"close_after": 0}, "Rates(close_after=...)"),
    ],
)
def test_a_wrong_limit_is_named(kind: Any, options: dict[str, Any], subject: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        kind(**options)
    assert caught.value.subject == subject
    assert caught.value.got == repr(next(iter(options.values())))


def test_an_endpoint_takes_limits_and_nothing_else() -> None:
    wrong: Any = {"connections": 5}
    with pytest.raises(DefinitionError, match=r"Endpoint\(limits=\.\.\.\)"):
        Endpoint(sockets={}, limits=wrong)


def test_a_socket_takes_rates_and_nothing_else() -> None:
    wrong: Any = "10/second"
    with pytest.raises(DefinitionError, match=r"Socket\(rates=\.\.\.\)"):
        Socket(connect=lambda: None, channels={}, rates=wrong)


def test_the_rate_of_an_event_is_read_at_start_up() -> None:
    """The error names the handler and its line."""

    class Room(Channel):
        @on("say", rate="often")
        async def say(self) -> None: ...

    with pytest.raises(DefinitionError) as caught:
        Endpoint(sockets={"/s": Socket(connect=lambda: None, channels={"room:*": Room})})
    assert "Room.say" in caught.value.subject
    assert caught.value.got == "'often'"
    assert "test_limits.py:" in str(caught.value.where)


def test_an_endpoint_counts_anew_on_the_clock_of_each_event_loop() -> None:
    """An endpoint that starts again on an event loop with an earlier clock accepts clients."""
    endpoint = Endpoint(
        sockets={"/socket": Socket(connect=lambda: None, channels={})},
        limits=Limits(connects_per_ip="1/second"),
    )

    async def connect_after(seconds: float) -> None:
        await advance(seconds)
        async with serve(endpoint) as server:
            (await server.connect()).close()

    for seconds in (1_000, 0):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(connect_after(seconds))


def test_only_sockets_with_rates_look_at_them() -> None:
    """A socket checks rates only if it, or an event of its channels, has a rate."""

    class Free(Channel): ...

    class Rated(Channel):
        @on("say", rate="30/minute")
        async def say(self) -> None: ...

    class Overriding(Rated):
        async def say(self) -> None: ...

    def is_rated(channel: Any, rates: Rates | None = None) -> bool:
        socket: Socket[Any] = Socket(connect=lambda: None, channels={"a": channel}, rates=rates)
        Endpoint(sockets={"/s": socket})
        return socket.is_rated

    assert not is_rated(Free)
    assert is_rated(Free, Rates())
    assert is_rated(Rated)
    assert is_rated(Overriding)
