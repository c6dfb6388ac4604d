"""``emits``: the events that a channel class declares, and the check of what it sends in development."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

from .errors import DefinitionError
from .message import is_reserved
from .user_code.invalid_payload import InvalidPayload
from .user_code.outgoing import to_type
from .user_code.payload import check_type

__all__ = ["check_declaration", "check_emitted", "undeclared"]


def check_declaration(name: str, emits: Any) -> None:
    """Refuse an ``emits`` that can't be used.

    Args:
        name: The name of the channel class.
        emits: Its ``emits``, as the user wrote it.

    Raises:
        DefinitionError: ``emits`` is no mapping, names an event of the protocol, or has a type that JSON can't become.
    """
    if not isinstance(emits, Mapping):
        raise DefinitionError(
            f"{name}.emits",
            expected="the events that go out, and the types of their payloads",
            got=repr(emits),
            write='emits = {"new_msg": MessageOut}',
        )
    for event, kind in cast("Mapping[Any, Any]", emits).items():
        if not isinstance(event, str) or is_reserved(event):
            raise DefinitionError(
                f"{name}.emits",
                expected="names of events of your own",
                got=f"{event!r}",
                write='emits = {"new_msg": MessageOut}',
            )
        check_type(kind, subject=f'{name}.emits["{event}"] is a type', where=None)


def check_emitted(sender: str, emits: Mapping[str, Any], event: str, payload: Any) -> None:
    """Check an outgoing event and payload against a declaration. An empty declaration allows everything.

    Args:
        sender: What sends, for the error: a class, or a call.
        emits: The type of the payload of each declared event.
        event: The event that is sent.
        payload: Its payload.

    Raises:
        ValueError: The event is not declared, or the payload doesn't fit its type.
    """
    if not emits:
        return
    if event not in emits:
        raise undeclared(sender, event, emits, "its `emits`")
    try:
        to_type(payload, emits[event])
    except InvalidPayload as error:
        raise ValueError(
            f"{sender} sends {event!r} with a payload that does not fit"
            f" {emits[event]!r}: {error.errors}"
        ) from error


def undeclared(sender: str, event: str, known: Iterable[str], where: str) -> ValueError:
    """Return the error for an event that nobody declared.

    Args:
        sender: What sends.
        event: The event.
        known: The declared events.
        where: Where they are declared.
    """
    names = sorted(known)
    near = get_close_matches(event, names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ValueError(
        f"{sender} sends {event!r}, which {where} does not name"
        f' (it names {names}): add "{event}": <type of the payload>{hint}'
    )
