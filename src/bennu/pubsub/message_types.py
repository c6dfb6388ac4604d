"""The types of messages between server code that travel to other nodes.

``pubsub.broadcast(topic, PriceChanged(7))`` reaches the listeners and the ``@on_info(PriceChanged)`` handlers of all
nodes. It travels as JSON with the name of its type, and is checked when it arrives. Nothing is pickled, so a bus that an
attacker can write to runs no code.

A type is known if a handler of a socket names it (``@on_info``), or if ``Endpoint(messages=[...])`` does. Values of the
builtin JSON types need no registration.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, cast

from msgspec import Raw

from ..errors import DecodeError, DefinitionError, EncodeError
from ..message import Broadcast
from ..protocol.encoding import encode_json
from ..user_code.invalid_payload import InvalidPayload
from ..user_code.payload import Decoder, anything, check_type, decoder_for

__all__ = ["MessageTypes"]

PLAIN: Final = frozenset({str, int, float, bool, type(None), dict, list})
"""The types that are themselves JSON. They travel without a tag."""

PLAIN_TAG: Final = ""


class MessageTypes:
    """The types of an endpoint by their tags.

    Args:
        given: Types that the application registers.
        heard: Types that handlers name. A type that JSON can't become is left out: its messages stay in the process.
        owner: The class whose option ``messages`` has the types, for errors.

    Raises:
        DefinitionError: JSON can't become a given type, or two types have one tag.
    """

    def __init__(
        self, given: Iterable[Any] = (), heard: Iterable[Any] = (), *, owner: str = "Endpoint"
    ) -> None:
        self._owner = owner
        self._alternative = (
            ", or send it with pubsub.local_broadcast(...)" if owner == "Endpoint" else ""
        )
        self._decoders: dict[str, Decoder] = {PLAIN_TAG: anything}
        self._tags: dict[type, str] = {}
        for kind in given:
            self._add(kind)
        for kind in heard:
            if isinstance(kind, type) and kind not in PLAIN and kind is not Broadcast:
                with suppress(DefinitionError):
                    self._add(kind)

    def _add(self, kind: Any) -> None:
        subject = f"the message type {kind!r} of {self._owner}(messages=...)"
        if not isinstance(kind, type):
            raise DefinitionError(
                subject,
                expected="a class: a Struct, a dataclass, a model",
                got=repr(kind),
                write="messages=[PriceChanged]",
            )
        check_type(kind, subject=subject, where=None)
        if kind in self._tags:
            return
        tag = f"{kind.__module__}.{kind.__qualname__}"
        if tag in self._decoders:
            raise DefinitionError(
                subject,
                expected="types with names of their own",
                got=f"a second {tag}",
                write="messages=[PriceChanged, StockChanged]",
            )
        self._decoders[tag] = decoder_for(kind, subject=subject, where=None)
        self._tags[kind] = tag

    def pack(self, message: Any) -> tuple[str, bytes]:
        """Return the tag and the JSON of a message.

        Raises:
            EncodeError: The type is not registered, or the message has no JSON form.
        """
        kind = cast("type[Any]", type(message))
        tag = PLAIN_TAG if kind in PLAIN else self._tags.get(kind)
        if tag is None:
            raise EncodeError(
                f"a message of the type {kind.__qualname__} can't travel to other nodes: write"
                f" {self._owner}(messages=[{kind.__qualname__}]){self._alternative}"
            )
        return tag, encode_json(message)

    def unpack(self, tag: str, content: bytes) -> Any:
        """Return a message of another node.

        Raises:
            DecodeError: This node does not know the type, or the content does not fit it.
        """
        decode = self._decoders.get(tag)
        if decode is None:
            raise DecodeError(
                f"a message of the type {tag!r}, which this node does not know: run the same code on all"
                " nodes, and write Endpoint(messages=[...])"
            )
        try:
            return decode(Raw(content))
        except InvalidPayload as error:
            raise DecodeError(
                f"a message of the type {tag!r} does not fit: {error.errors}"
            ) from error
