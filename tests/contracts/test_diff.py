"""Two contracts, compared: each rule has a change of an application that it reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar, Final, Literal

import msgspec
import pytest
from msgspec import Struct

from bennu import Channel, Endpoint, Error, History, Ok, Rates, Refused, Reply, Socket, on
from bennu.contracts import ContractRule, asyncapi, compare, contract_of
from bennu.contracts.diff import NotAContract
from tests.support.frames import PHX_JOIN


class NewMsg(Struct):
    body: str
    key: str = ""


class MessageOut(Struct):
    id: int
    body: str = ""


class Params(Struct):
    name: str = ""


class Room(Channel):
    """The channel before each change."""

    emits: ClassVar[dict[str, Any]] = {"message": MessageOut}

    async def join(self, payload: NewMsg) -> MessageOut:
        raise Refused("full")

    @on("say", rate="10/second")
    async def say(self, payload: NewMsg) -> MessageOut:
        raise Refused("muted")


def connect(params: Params) -> None: ...


def contract(
    channel: type[Channel[Any, Any]] = Room,
    pattern: str = "room:{room}",
    path: str = "/socket",
    **options: Any,
) -> dict[str, Any]:
    """Return the document of an endpoint with one socket, as it is read from a file."""
    kind = options.pop("room", str)
    made = type("Made", (channel,), {"__annotations__": dict.fromkeys(("room", "number"), kind)})
    options = {"connect": connect, "channels": {pattern: made}, "id": str, **options}
    socket: Socket[Any] = Socket(**options)
    found: dict[str, Any] = json.loads(
        json.dumps(asyncapi(contract_of(Endpoint(sockets={path: socket}))))
    )
    return found


def room(**changes: Any) -> type[Channel[Any, Any]]:
    """Return a channel like Room, of which some attributes are others; None removes one."""
    body = {name: vars(Room)[name] for name in ("emits", "join", "say")} | changes
    return type(
        "Room", (Channel,), {name: value for name, value in body.items() if value is not None}
    )


def on_say(function: Callable[..., Any], **options: Any) -> Any:
    """Return a copy of a function as the handler of ``say``."""
    copy = FunctionType(function.__code__, function.__globals__, function.__name__)
    copy.__annotations__ = function.__annotations__
    return on("say", **{"rate": "10/second", **options})(copy)


def messages(kind: Any) -> type[Channel[Any, Any]]:
    return room(emits={"message": kind})


async def say_later(self: Any, payload: NewMsg) -> MessageOut | None:
    raise Refused("muted")


async def say_nothing(self: Any, payload: NewMsg) -> None:
    raise Refused("muted")


async def say_with_another_reason(self: Any, payload: NewMsg) -> MessageOut:
    raise Refused("silenced")


async def say_with_a_reason_more(self: Any, payload: NewMsg) -> MessageOut:
    if payload.body:
        raise Refused("empty")
    raise Refused("muted")


async def say_other(self: Any, payload: NewMsg) -> MessageOut | Reply[MessageOut]:
    raise Refused("muted")


def taking(kind: Any) -> type[Channel[Any, Any]]:
    async def say(self: Any, payload: Any) -> MessageOut:
        raise Refused("muted")

    return room(say=on("say", rate="10/second", payload=kind)(say))


def struct(*fields: Any, **options: Any) -> Any:
    return msgspec.defstruct("Value", fields, **options)


ID, BODY, KEY = ("id", int), ("body", str), ("key", str, "")
OUT_BODY = ("body", str, "")

# The text of a rule: the contract before and after a change.
CHANGES: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "socket-removed": (contract(), contract(path="/other")),
    "socket-added": (contract(path="/other"), contract()),
    "transport-removed": (contract(longpoll=True), contract()),
    "transport-added": (contract(), contract(longpoll=True)),
    "security-added": (contract(), contract(auth_token=True)),
    "security-removed": (contract(auth_token=True), contract()),
    "topic-removed": (contract(), contract(pattern="rooms:{room}")),
    "topic-added": (contract(pattern="rooms:{room}"), contract()),
    "parameter-narrowed": (contract(), contract(room=int)),
    "parameter-widened": (contract(room=int), contract()),
    "history-removed": (contract(room(history=History())), contract()),
    "history-added": (contract(), contract(room(history=History()))),
    "history-shortened": (
        contract(room(history=History(ttl=None))),
        contract(room(history=History(size=10))),
    ),
    "event-in-removed": (contract(), contract(room(say=None))),
    "event-in-added": (contract(room(say=None)), contract()),
    "reply-removed": (contract(), contract(room(say=on_say(say_nothing)))),
    "reply-added": (contract(room(say=on_say(say_nothing))), contract()),
    "reply-uncertain": (contract(), contract(room(say=on_say(say_later)))),
    "reply-certain": (contract(room(say=on_say(say_later))), contract()),
    "reason-changed": (contract(), contract(room(say=on_say(say_with_another_reason)))),
    "reason-removed": (contract(room(say=on_say(say_with_a_reason_more))), contract()),
    "reason-added": (contract(), contract(room(say=on_say(say_with_a_reason_more)))),
    "event-out-removed": (contract(), contract(room(emits={"other": MessageOut}))),
    "event-out-added": (contract(), contract(room(emits={**Room.emits, "other": MessageOut}))),
    "in-field-required": (contract(), contract(taking(struct(BODY, ("key", str))))),
    "in-field-optional": (contract(), contract(taking(struct(OUT_BODY, KEY)))),
    "in-field-added": (contract(), contract(taking(struct(BODY, KEY, ("more", str, ""))))),
    "in-field-removed": (contract(), contract(taking(struct(BODY)))),
    "in-field-forbidden": (
        contract(),
        contract(taking(struct(BODY, KEY, forbid_unknown_fields=True))),
    ),
    "in-narrowed": (contract(), contract(taking(struct(("body", Literal["a"]), KEY)))),
    "in-widened": (contract(), contract(taking(struct(("body", str | None), KEY)))),
    "out-field-removed": (contract(), contract(messages(struct(ID)))),
    "out-field-added": (contract(), contract(messages(struct(ID, OUT_BODY, KEY)))),
    "out-field-optional": (contract(), contract(messages(struct(("id", int, 0), OUT_BODY)))),
    "out-field-required": (contract(), contract(messages(struct(ID, BODY)))),
    "out-widened": (contract(), contract(messages(struct(("id", int | None), OUT_BODY)))),
    "out-narrowed": (contract(messages(struct(("id", int | None), OUT_BODY))), contract()),
}
CHANGES["rate-lowered"] = (
    contract(room(say=on_say(say_later))),
    contract(room(say=on_say(say_later, rate="1/second"))),
)
CHANGES["limit-lowered"] = (contract(), contract(max_channels=10, rates=Rates(joins="5/10s")))
CHANGES["limit-raised"] = CHANGES["limit-lowered"][::-1]
CHANGES["rate-raised"] = (
    CHANGES["rate-lowered"][1],
    contract(room(say=on_say(say_later, rate=None))),
)
ONCE = contract(room(say=on_say(say_later, idempotent_by="key")))
CHANGES["idempotence-removed"] = (ONCE, contract(room(say=on_say(say_later))))
CHANGES["idempotence-added"] = (contract(room(say=on_say(say_later))), ONCE)


def rules(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {one.rule.text for one in compare(old, new)}


def test_each_rule_has_a_change() -> None:
    assert {one.text for one in ContractRule} == CHANGES.keys()


@pytest.mark.parametrize("rule", CHANGES)
def test_each_change_has_its_rule(rule: str) -> None:
    """Only an added socket, and the reasons of what is added, come with it."""
    old, new = CHANGES[rule]
    found = rules(old, new)
    assert rule in found
    breaking = {one.text for one in ContractRule if one.breaks}
    expected = next(one.breaks for one in ContractRule if one.text == rule)
    if not expected and rule not in ("socket-added", "topic-added"):
        assert not found & breaking
    if expected:
        assert found & breaking == {rule}


def test_a_contract_is_the_same_as_itself() -> None:
    for old, new in CHANGES.values():
        assert compare(old, old) == compare(new, new) == []


def test_the_name_of_a_class_or_a_parameter_is_not_on_the_wire() -> None:
    old, new = contract(), contract(type("Other", (Room,), {}), "room:{number}")
    assert compare(old, new) == []


def test_what_breaks_comes_first() -> None:
    """Each line says where it is, what has changed, and what that does."""
    changes = compare(contract(), contract(messages(struct(ID, KEY))))
    assert [one.breaks for one in changes] == [True, False]
    assert str(changes[0]) == (
        "/socket room:{room} message: body: out-field-removed: string -> nothing"
        " (clients read a field that is not there)"
    )
    [gone] = compare(contract(), contract(room(say=None)))
    assert (
        str(gone) == "/socket room:{room} say: event-in-removed (pushes of the event are refused)"
    )


def test_a_channel_that_takes_any_event_removes_none() -> None:
    async def handle_in(self: Any, event: str, payload: Any) -> Ok:
        return Ok()

    changed = room(say=None, handle_in=handle_in)
    assert "event-in-removed" not in rules(contract(), contract(changed))


def test_the_parameters_of_a_connect_are_compared() -> None:
    async def stricter(params: NewMsg) -> None: ...

    [change] = [one for one in compare(contract(), contract(connect=stricter)) if one.breaks]
    assert change.where == "/socket connect: body"
    assert change.rule is ContractRule.IN_FIELD_REQUIRED


def test_the_reply_of_a_join_and_another_status_are_compared() -> None:
    async def join(self: Any, payload: NewMsg) -> NewMsg:
        raise Refused("full")

    places = {one.where for one in compare(contract(), contract(room(join=join)))}
    assert f"/socket room:{{room}} {PHX_JOIN} -> ok: id" in places
    other = contract(room(say=on_say(say_other)))
    assert rules(contract(), other) == {"reply-added"}
    assert rules(other, contract()) == {"reply-removed"}


def test_limits_are_named_with_what_they_were() -> None:
    changes = compare(*CHANGES["limit-lowered"])
    assert {(one.old, one.new) for one in changes if one.breaks} == {
        ("max_channels 100", "max_channels 10"),
        ("no rates.joins", "rates.joins 5/10s"),
    }


def test_the_errors_that_a_handler_declares_are_compared() -> None:
    """What it does not declare is Bennu's own, and the same everywhere."""
    locked: Any = struct(("by", str))
    full: Any = struct(("by", str), ("more", int))

    def failing(answer: Any) -> dict[str, Any]:
        async def say(self: Any, payload: NewMsg) -> Any:
            raise Refused("muted")

        say.__annotations__["return"] = answer
        return contract(room(say=on("say")(say)))

    plain, with_lock = failing(Ok[MessageOut]), failing(Ok[MessageOut] | Error[locked])
    gone = compare(failing(Ok[MessageOut] | Error[full]), with_lock)
    assert [str(one).split(" (")[0] for one in gone] == [
        "/socket room:{room} say -> error: more: out-field-removed: integer -> nothing"
    ]
    assert "out-field-removed" in rules(with_lock, plain)
    assert rules(plain, with_lock) == set()


@pytest.mark.parametrize(
    "document",
    [{}, [], None, {"servers": {}, "channels": {}, "operations": 1}, {"asyncapi": "3.0.0"}],
)
def test_another_document_is_refused(document: Any) -> None:
    with pytest.raises(NotAContract, match="expected an AsyncAPI"):
        compare(document, contract())
    foreign: dict[str, Any] = {"servers": {"a": {}}, "channels": {}, "operations": {}}
    with pytest.raises(NotAContract, match="no x-bennu"):
        compare(contract(), foreign)
