"""The ``Sec-WebSocket-Extensions`` header: what a client offers. RFC 6455, §9.1."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ..errors import DecodeError

__all__ = ["Offer", "parse_offers"]


class Offer(NamedTuple):
    """One extension with its parameters, in their order; a parameter without a value has None."""

    name: str
    parameters: tuple[tuple[str, str | None], ...]


_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # noqa: S105 - RFC 9110's word for a word
_NAME: Final = re.compile(rf"[ \t]*({_TOKEN})[ \t]*")
_PARAMETER: Final = re.compile(
    rf';[ \t]*({_TOKEN})[ \t]*(?:=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*+)")[ \t]*)?'
)
_NEXT: Final = re.compile(r"[ \t]*(?:,|\Z)")
_VALUE: Final = re.compile(_TOKEN)
_ESCAPED: Final = re.compile(r"\\(.)")


def parse_offers(header: str) -> list[Offer]:
    """Read the header's list; of several headers, joined with commas.

    Raises:
        DecodeError: It is malformed.

    Example:
        >>> parse_offers('x; a; b="8"')
        [Offer(name='x', parameters=(('a', None), ('b', '8')))]
    """
    offers: list[Offer] = []
    position = 0
    while position < len(header):
        found = _NAME.match(header, position)
        if found is not None:
            position, parameters = _parse_parameters(header, found.end())
            offers.append(Offer(found[1], parameters))
        end = _NEXT.match(header, position)  # an element of a list may also be empty
        if end is None:
            raise DecodeError(f"malformed Sec-WebSocket-Extensions at character {position}")
        position = end.end()
    return offers


def _parse_parameters(header: str, position: int) -> tuple[int, tuple[tuple[str, str | None], ...]]:
    parameters: list[tuple[str, str | None]] = []
    while found := _PARAMETER.match(header, position):
        name, value, quoted = found.groups()
        if quoted is not None:
            value = _ESCAPED.sub(r"\1", quoted)
            if _VALUE.fullmatch(value) is None:
                raise DecodeError("in Sec-WebSocket-Extensions a quoted value is no token")
        parameters.append((name, value))
        position = found.end()
    return position, tuple(parameters)
