"""Idempotent handlers in the tables of a channel class, and mistakes in their options."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec import Struct

from bennu import Channel, on
from bennu.history.idempotent import Idempotent

from .support.definitions import read, refused


class Order(Struct):
    """A payload with a key."""

    key: str
    texts: list[str]


class Shop(Channel[Any]):
    """A channel with idempotent handlers, and one that is not."""

    @on("buy", idempotent_by="key")
    async def buy(self, order: Order) -> None: ...

    @on("sell", idempotent_by="key", ttl=timedelta(hours=1), rate="3/minute")
    def sell(self, order: dict[str, Any]) -> None: ...

    @on("look")
    async def look(self, order: Order) -> None: ...


class Sale(Shop):
    """A channel that overrides a handler without a mark."""

    async def buy(self, order: Order) -> None: ...


def test_the_option_is_in_the_tables() -> None:
    for channel in (Shop, Sale):
        events = read(channel).events
        assert events["buy"].idempotent == Idempotent("key", 86_400.0)
        assert events["sell"].idempotent == Idempotent("key", 3600.0)
        assert events["sell"].rate is not None
        assert events["look"].idempotent is None


def test_an_unknown_field_is_refused() -> None:
    class Wrong(Channel[Any]):
        @on("buy", idempotent_by="id")
        async def buy(self, order: Order) -> None: ...

    error = refused(Wrong)
    assert "the handler test_an_unknown_field_is_refused" in error.subject
    assert error.expected == "a payload that is a JSON object with the field 'id'"
    assert error.got == "Order, which has none"
    assert error.where is not None
    assert __file__ in error.where


def test_a_field_that_can_be_no_key_is_refused() -> None:
    class Wrong(Channel[Any]):
        @on("buy", idempotent_by="texts")
        async def buy(self, order: Order) -> None: ...

    assert refused(Wrong).got == "list[str]"


def test_a_handler_without_payload_is_refused() -> None:
    class Wrong(Channel[Any]):
        @on("buy", idempotent_by="key")
        async def buy(self) -> None: ...

    assert refused(Wrong).got == "no payload"


def test_a_ttl_alone_is_refused() -> None:
    class Wrong(Channel[Any]):
        @on("buy", ttl=timedelta(hours=1))
        async def buy(self, order: Order) -> None: ...

    class AlsoWrong(Channel[Any]):
        @on("buy", ttl=timedelta(hours=1))
        async def buy(self) -> None: ...

    for channel in (Wrong, AlsoWrong):
        assert refused(channel).got == "a ttl without it"


def test_a_ttl_in_seconds_is_refused() -> None:
    seconds: Any = 3600

    class Wrong(Channel[Any]):
        @on("buy", idempotent_by="key", ttl=seconds)
        async def buy(self, order: Order) -> None: ...

    assert refused(Wrong).write == "ttl=timedelta(seconds=3600)"
