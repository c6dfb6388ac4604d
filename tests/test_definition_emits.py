"""``emits``: the events that a channel class declares, and their payloads."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pydantic
import pytest

from bennu import Channel

from .support.definitions import read, refused


class Out(msgspec.Struct):
    """A declared payload."""

    id: int


class Model(pydantic.BaseModel):
    """A declared payload of pydantic."""

    id: int


class Sender(Channel):
    """A channel that declares the events that it sends."""

    emits: ClassVar[dict[str, Any]] = {
        "new": Out,
        "raw": bytes,
        "model": Model,
        "any": dict[str, Any],
    }


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("new", Out(1)),
        ("new", {"id": 1}),
        ("raw", b"x"),
        ("model", Model(id=1)),
        ("model", {"id": 1}),
        ("any", {"a": [1]}),
    ],
)
def test_what_was_declared_may_go_out(event: str, payload: Any) -> None:
    """A payload fits by its class, or by its shape."""
    read(Sender).check_emitted(event, payload)


def test_what_was_not_declared_may_not_go_out() -> None:
    """The error lists the declared events, and has the line to add."""
    with pytest.raises(ValueError, match="does not name") as raised:
        read(Sender).check_emitted("old", {})

    assert "(it names ['any', 'model', 'new', 'raw']): add \"old\":" in str(raised.value)


@pytest.mark.parametrize(
    ("event", "payload"), [("new", {"id": "1"}), ("new", {}), ("raw", {}), ("model", {"id": "x"})]
)
def test_a_payload_that_was_declared_otherwise_may_not_go_out(event: str, payload: Any) -> None:
    """The error names the place in the payload that does not fit."""
    with pytest.raises(
        ValueError, match=f"Sender sends '{event}' with a payload that does not fit"
    ):
        read(Sender).check_emitted(event, payload)


def test_a_channel_that_declares_nothing_may_send_anything() -> None:
    """A channel without ``emits`` can send any event."""
    read(type("Free", (Channel,), {})).check_emitted("anything", object())


@pytest.mark.parametrize("emits", [["new"], "new", None])
def test_a_declaration_that_is_no_dictionary_is_refused(emits: Any) -> None:
    """An ``emits`` that is no mapping is refused at start-up."""
    error = refused(type("Lobby", (Channel,), {"emits": emits}))

    assert error.subject == "Lobby.emits"
    assert error.got == repr(emits)


def test_a_declared_type_that_json_can_not_become_is_refused() -> None:
    """A declared type that JSON can't become is refused at start-up."""
    error = refused(type("Lobby", (Channel,), {"emits": {"new": list[type]}}))

    assert error.subject == 'Lobby.emits["new"] is a type that JSON can\'t become'
