"""Values that an application sends: as JSON, and checked against a type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, get_origin, is_typeddict

import msgspec

from ..logs.printable import described, printable
from .copies import copy_of
from .invalid_payload import InvalidPayload
from .models import mistake, tidy
from .payload import Decoder, decoder_for

__all__ = ["converter_for", "to_builtin", "to_type"]


def to_builtin(value: Any) -> Any:
    """Convert a value of another type to a type that msgspec can encode.

    A pydantic model becomes its JSON form, with its aliases. An object of a subclass of str, int, float or bytes
    becomes an object of the base class. A scalar of numpy becomes a Python number.

    Raises:
        TypeError: The value can't be written as JSON, or its own code raised something other than an Exception.
        Exception: The value's own code raised it.
    """
    try:
        return _to_builtin(value)
    except Exception:
        raise
    except BaseException as error:
        raise TypeError(f"{type(value).__name__} raised {described(error)}") from error


def _to_builtin(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, bytes):
        return bytes.__getitem__(value, slice(None))
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def to_type(value: Any, annotation: Any) -> None:
    """Check that the JSON of an outgoing value fits a type.

    Raises:
        InvalidPayload: The value does not fit.
    """
    with suppress(TypeError):  # isinstance does not work for a TypedDict
        if isinstance(value, annotation):
            return
    _decoder(annotation)(_encoded(value))


def converter_for(annotation: Any, *, subject: str, where: str | None) -> Callable[[Any], Any]:
    """Return a function that makes a payload of a broadcast the annotated type, on every node.

    On the node of the sender the payload is what the sender passed: a Struct, for example. On other nodes it is the JSON
    that came over the bus: dicts, lists, texts and numbers. The function returns a copy in both cases, and raises
    ``InvalidPayload`` if the payload does not fit.

    Args:
        annotation: The type; None or ``Any`` take the payload as it is.
        subject: The handler of the payload, for the error.
        where: The ``file:line`` of the handler, for the error; None if it is unknown.

    Raises:
        DefinitionError: JSON can't become this type.
    """
    if annotation in (None, Any, object):
        return copy_of
    decode = decoder_for(annotation, subject=subject, where=where)
    kind = dict if is_typeddict(annotation) else get_origin(annotation) or annotation

    def convert(payload: Any) -> Any:
        if isinstance(kind, type) and isinstance(payload, kind):
            return copy_of(payload)
        return decode(payload if isinstance(payload, bytes) else _encoded(payload))

    return convert


def _encoded(value: Any) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(value, enc_hook=to_builtin))
    except Exception as error:  # any exception: models and other objects run user code
        raise InvalidPayload([mistake("", tidy(printable(error)))]) from error


@cache
def _decoder(annotation: Any) -> Decoder:
    return decoder_for(annotation, subject="what is sent", where=None)
