"""Names for the parts of a contract, in documents and in generated code: each name once, and made of plain letters. Pure."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from itertools import chain, islice

from .model import ChannelContract, Contract, SocketContract

__all__ = [
    "address_of",
    "channel_keys",
    "identifier",
    "module_names",
    "pascal",
    "shape_of",
    "slug",
    "snake",
    "type_name",
    "unique_names",
]

_OTHER = re.compile(r"[^A-Za-z0-9_.-]+")
_WORDS = re.compile(r"[A-Za-z0-9]+")
_HUMPS = re.compile(r"([a-z0-9])([A-Z])")
_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::[a-z]+)?\}")


def unique_names(wanted: Iterable[str]) -> list[str]:
    """Return the names, of which later ones get a number if an earlier one is the same.

    Example:
        >>> unique_names(["Room", "Room", "Lobby"])
        ['Room', 'Room2', 'Lobby']
    """
    found: list[str] = []
    for name in wanted:
        number = 1
        free = name
        while free in found:
            number += 1
            free = f"{name}{number}"
        found.append(free)
    return found


def module_names(reserved: Iterable[str], *groups: Iterable[str]) -> list[list[str]]:
    """Return the names in a generated module, group by group: each is there once, and none is reserved.

    Args:
        reserved: The names that the module uses itself.
        groups: The wanted names.

    Example:
        >>> module_names(["Any"], ["Any", "Room"], ["Room"])
        [['Any2', 'Room'], ['Room2']]
    """
    wanted = [[*group] for group in (reserved, *groups)]
    free = iter(unique_names(chain.from_iterable(wanted)))
    return [[*islice(free, len(group))] for group in wanted][1:]


def slug(text: str) -> str:
    """Return a text with only the characters of a key in an AsyncAPI document."""
    return _OTHER.sub("_", text).strip("_") or "_"


def identifier(text: str) -> str:
    """Return a text as a name in Python and TypeScript.

    Example:
        >>> identifier("room:created"), identifier("class"), identifier("2fa")
        ('room_created', 'class_', '_2fa')
    """
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "_"
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def type_name(schema: str) -> str:
    """Return the name of a schema as the name of a type.

    Example:
        >>> type_name("Room"), type_name("rooms.list-of")
        ('Room', 'RoomsListOf')
    """
    return identifier(pascal(schema) if "." in schema else schema)


def snake(name: str) -> str:
    """Return the name of a field in Python's style.

    Example:
        >>> snake("itemName"), snake("userID2"), snake("_id")
        ('item_name', 'user_id2', '_id')
    """
    return _HUMPS.sub(r"\1_\2", name).lower()


def pascal(text: str) -> str:
    """Return a text as the name of a class.

    Example:
        >>> pascal("/admin/socket"), pascal("new_msg"), pascal("RoomChannel")
        ('AdminSocket', 'NewMsg', 'RoomChannel')
    """
    name = "".join(f"{word[0].upper()}{word[1:]}" for word in _WORDS.findall(text))
    return f"_{name}" if not name or name[0].isdigit() else name


def channel_keys(contract: Contract) -> list[tuple[str, SocketContract, ChannelContract]]:
    """Return each channel with a name of its own: the name of its class, with a number if it is there twice."""
    found = [*contract.channels()]
    names = unique_names(slug(channel.name) for _, channel in found)
    return [(name, socket, channel) for name, (socket, channel) in zip(names, found, strict=True)]


def address_of(pattern: str) -> str:
    """Return a topic pattern as the address of a channel in an AsyncAPI document.

    Example:
        >>> address_of("file:{path:path}"), address_of("room:*")
        ('file:{path}', 'room:{rest}')
    """
    address = _PARAMETER.sub(r"{\1}", pattern)
    return f"{address[:-1]}{{rest}}" if address.endswith("*") else address


def shape_of(address: str) -> str:
    """Return an address without the names of its parameters, which clients do not see.

    Example:
        >>> shape_of("room:{room_id}")
        'room:{}'
    """
    return _PARAMETER.sub("{}", address)
