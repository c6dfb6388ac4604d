"""The options of long polling: mistakes are found at start-up."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import (
    DefinitionError,
    Endpoint,
    LongPoll,
    Socket,
)


@pytest.mark.parametrize("given", [None, 10, {"window": 10}])
def test_the_option_is_a_bool_or_a_long_poll(given: Any) -> None:
    """A value of another type is refused."""

    async def connect() -> None: ...

    with pytest.raises(DefinitionError, match="LongPoll"):
        _: Socket[None] = Socket(connect=connect, channels={}, longpoll=given)


@pytest.mark.parametrize(
    "name", ["window", "pubsub_timeout", "max_age", "max_body", "max_buffer", "max_sessions"]
)
def test_its_numbers_are_above_zero(name: str) -> None:
    """The error names the option whose number is not above zero."""
    options: dict[str, Any] = {name: 0}
    with pytest.raises(DefinitionError, match=rf"LongPoll\({name}="):
        LongPoll(**options)


def test_its_path_is_not_the_websockets() -> None:
    """A WebSocket and long polling at one path are refused."""

    async def connect() -> None: ...

    longpoll = LongPoll(path="websocket")
    socket: Socket[Any] = Socket(connect=connect, channels={}, longpoll=longpoll)
    with pytest.raises(DefinitionError, match="two sockets"):
        Endpoint(sockets={"/socket": socket})


@pytest.mark.parametrize("secret", ["short", b"", [], 7])
def test_a_secret_has_twenty_bytes(secret: Any) -> None:
    """A shorter secret is refused at start-up."""
    with pytest.raises(DefinitionError, match="secret_key"):
        Endpoint(sockets={}, secret_key=secret)
