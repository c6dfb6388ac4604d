"""What spans are called, and what they say: the semantic conventions of messaging, where they fit. Pure.

A name is made of the operation and of the pattern of the topic, which the developer wrote. Text of a client, such as the topic
itself, is never in a name; it is in attributes, cut at 200 characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from .options import Operation

__all__ = ["MAX_TEXT", "Attributes", "Description", "describe", "shown"]

SYSTEM: Final = "bennu"

MAX_TEXT: Final = 200
"""Characters of an attribute that a client can choose."""

TYPES: Final[Mapping[Operation, str]] = MappingProxyType(
    {
        "handle": "process",
        "on_info": "process",
        "on_out": "process",
        "broadcast": "send",
        "fan_out": "process",
    }
)
"""The ``messaging.operation.type`` of operations that have one."""

Attributes = Mapping[str, str | int | bool]


class Description(NamedTuple):
    """What is known of a span before it begins.

    Attributes:
        name: Its name.
        attributes: Its attributes, which a sampler sees.
    """

    name: str
    attributes: Attributes


@lru_cache(maxsize=4096)  # operations, patterns and events are those of the application's code
def describe(operation: Operation, template: str | None, event: str | None = None) -> Description:
    """Return the name of a span, and its first attributes.

    Args:
        operation: The operation.
        template: The pattern of the topic, or the path of a socket; None if it is unknown.
        event: The event that a handler is declared for. Default: None, none.

    Example:
        >>> describe("handle", "room:{room_id}", "new_msg").name
        'new_msg room:{room_id}'
        >>> describe("broadcast", None).name
        'broadcast'
    """
    called = event if operation == "handle" and event is not None else operation
    name = called if template is None else f"{called} {template}"
    if operation == "connect":
        return Description(name, {"http.route": template or ""})
    attributes = {"messaging.system": SYSTEM, "messaging.operation.name": called}
    if operation in TYPES:
        attributes["messaging.operation.type"] = TYPES[operation]
    if template is not None:
        attributes["messaging.destination.template"] = template
    return Description(name, attributes)


def shown(text: object) -> str:
    """Return a text of a client as an attribute."""
    return str(text)[:MAX_TEXT].encode(errors="replace").decode()
