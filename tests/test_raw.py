"""The class of a raw socket's handler, and the errors for mistakes in it."""

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
    """An endpoint can have raw sockets and channel sockets. A raw socket takes all options of sockets."""
    raw = RawSocket(connect=lambda: None, handler=Echo, timeout=5, subprotocols=["mqtt"])
    channels = Socket(connect=lambda: None, channels={})
    assert Endpoint(sockets={"/raw": raw, "/socket": channels}).connections == 0
    assert (raw.timeout, raw.subprotocols, raw.definition.name) == (5, ("mqtt",), "Echo")


@pytest.mark.parametrize("handler", [None, Socket, Echo(), "Echo"])
def test_a_handler_that_is_none(handler: Any) -> None:
    """A handler that is no subclass of RawHandler is refused."""
    with pytest.raises(DefinitionError, match="a subclass of RawHandler"):
        endpoint_of(handler)


def test_a_handler_that_takes_no_messages() -> None:
    """A handler without ``receive`` is refused."""

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
    """The error shows the correct parameters, and the place."""

    async def method(self: Any, one: Any, another: Any) -> None: ...

    handler = type("Wrong", (Echo,), {name: method})
    with pytest.raises(DefinitionError, match=expected) as raised:
        endpoint_of(handler)
    assert raised.value.where is not None


def test_a_name_that_is_taken() -> None:
    """A handler can't hide an attribute of RawHandler."""
    with pytest.raises(DefinitionError, match=r"Hiding.send hides RawHandler.send"):

        class Hiding(Echo):
            async def send(self, message: Any) -> None: ...


def test_a_default_that_all_clients_share() -> None:
    """A mutable default is refused, because all clients would share it. The error says where to make it."""
    with pytest.raises(DefinitionError, match=r"self.seen = \[\]  # in async def opened\(self\)"):

        class Sharing(Echo):
            seen: list[str] = []  # noqa: RUF012 - that is the mistake


def test_an_overflow_that_is_no_policy() -> None:
    """The error lists both values of ``overflow``."""

    class Wrong(Echo):
        overflow = "drop"  # type: ignore[assignment]

    with pytest.raises(DefinitionError, match="drop_oldest"):
        endpoint_of(Wrong)


def test_an_option_of_channels() -> None:
    """A raw socket has no options for channels."""
    options: dict[str, Any] = {"max_channels": 5}
    with pytest.raises(TypeError, match="max_channels"):
        RawSocket(connect=lambda: None, handler=Echo, **options)
