"""What a raw socket's class must be like, and what is said of one that can't work."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import DefinitionError, Endpoint, RawHandler, RawSocket, Socket


class Echo(RawHandler):
    """A handler that works."""

    async def receive(self, message: str | bytes) -> str | bytes:
        return message


def endpoint_of(handler: Any, **options: Any) -> Endpoint:
    return Endpoint(sockets={"/raw": RawSocket(connect=lambda: None, handler=handler, **options)})


def test_a_raw_socket_may_stand_beside_others() -> None:
    """Under one endpoint, and it takes the options that every socket takes."""
    raw = RawSocket(connect=lambda: None, handler=Echo, timeout=5, subprotocols=["mqtt"])
    channels = Socket(connect=lambda: None, channels={})
    assert Endpoint(sockets={"/raw": raw, "/socket": channels}).connections == 0
    assert (raw.timeout, raw.subprotocols, raw.definition.name) == (5, ("mqtt",), "Echo")


@pytest.mark.parametrize("handler", [None, Socket, Echo(), "Echo"])
def test_a_handler_that_is_none(handler: Any) -> None:
    """A subclass of RawHandler is expected."""
    with pytest.raises(DefinitionError, match="a subclass of RawHandler"):
        endpoint_of(handler)


def test_a_handler_that_takes_no_messages() -> None:
    """It must say what to do with them, be it nothing."""

    class Silent(RawHandler):
        async def opened(self) -> None: ...

    with pytest.raises(DefinitionError, match=r"async def receive\(self, message: str \| bytes\)"):
        endpoint_of(Silent)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("opened", r"\(self\)"),
        ("receive", r"\(self, message\)"),
        ("pinged", r"\(self, payload\)"),
        ("ponged", r"\(self, payload\)"),
        ("info", r"\(self, message\)"),
        ("draining", r"\(self, news\)"),
        ("closed", r"\(self, reason\)"),
    ],
)
def test_a_method_with_other_parameters(name: str, expected: str) -> None:
    """The error shows those that it must have, and the place."""

    async def method(self: Any, one: Any, another: Any) -> None: ...

    handler = type("Wrong", (Echo,), {name: method})
    with pytest.raises(DefinitionError, match=expected) as raised:
        endpoint_of(handler)
    assert raised.value.where is not None


def test_a_name_that_is_taken() -> None:
    """What every handler has can't be hidden."""
    with pytest.raises(DefinitionError, match=r"Hiding.send hides RawHandler.send"):

        class Hiding(Echo):
            async def send(self, message: Any) -> None: ...


def test_a_default_that_all_clients_share() -> None:
    """It would be one list for everybody; the error says where to make it."""
    with pytest.raises(DefinitionError, match=r"self.seen = \[\]  # in async def opened\(self\)"):

        class Sharing(Echo):
            seen: list[str] = []  # noqa: RUF012 - that is the mistake


def test_an_overflow_that_is_no_policy() -> None:
    """One of two is expected."""

    class Wrong(Echo):
        overflow = "drop"  # type: ignore[assignment]

    with pytest.raises(DefinitionError, match="drop_oldest"):
        endpoint_of(Wrong)


def test_an_option_of_channels() -> None:
    """A raw socket has no channels."""
    options: dict[str, Any] = {"max_channels": 5}
    with pytest.raises(TypeError, match="max_channels"):
        RawSocket(connect=lambda: None, handler=Echo, **options)
