"""Decodes payloads of the server to the types that an application asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from ..user_code.invalid_payload import InvalidPayload, explain
from ..user_code.models import Adapter, ModelError, mistake
from ..user_code.payload import adapter_of, from_builtin
from ..user_code.types import read_type
from .frames import json_of

__all__ = ["Read", "reader_for"]

Read = Callable[[Any], Any]
"""Returns the value of a payload: raw JSON, or bytes."""


def reader_for(annotation: Any) -> Read:
    """Return the function that decodes a payload to a type.

    Args:
        annotation: A Struct, dataclass, TypedDict, builtin type or pydantic model; ``bytes`` for binary payloads. None
            and ``Any`` take each payload: JSON as builtins, and bytes.

    Raises:
        DefinitionError: JSON can't become this type.
    """
    return json_of if annotation in (None, Any, object) else _reader(annotation)


@cache
def _reader(annotation: Any) -> Read:
    if annotation is bytes:
        return _bytes_only
    adapter = adapter_of(
        annotation, read_type(annotation), subject="a client has a payload", where=None
    )
    decode: Read
    if adapter is None:
        decode = msgspec.json.Decoder(annotation, dec_hook=from_builtin).decode
    else:
        decode = _decode_by(adapter)

    def read(payload: Any) -> Any:
        if isinstance(payload, bytes):
            raise InvalidPayload([mistake("", "expected JSON, got a binary frame")])
        try:
            return decode(payload)
        except (ModelError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise explain(error, payload) from error

    return read


def _decode_by(adapter: Adapter) -> Read:
    return lambda payload: adapter.from_json(bytes(payload))


def _bytes_only(payload: Any) -> bytes:
    if isinstance(payload, bytes):
        return payload
    raise InvalidPayload([mistake("", "expected a binary frame, got JSON")])
