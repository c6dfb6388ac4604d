"""Decodes a client's payload to the type of a handler.

The handler's annotation decides: ``bytes`` takes a binary frame, ``Any`` takes any payload, and every other type takes
JSON that fits. msgspec checks Structs, dataclasses, TypedDicts, classes of attrs and builtins. pydantic checks types
with a part of pydantic: a model, one of its dataclasses, or a constraint (``Field``, ``annotated_types``). A Struct can
contain a model. It can't contain a constraint of pydantic, because msgspec would ignore it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any, Final, Union, cast, get_args, get_origin

import msgspec

from ..errors import DefinitionError
from .invalid_payload import InvalidPayload, explain
from .models import Adapter, ModelError, adapter_for, mistake
from .types import Facts, is_model, read_type

__all__ = [
    "Decoder",
    "adapter_of",
    "anything",
    "check_keys",
    "check_type",
    "decoder_for",
    "from_builtin",
]

# msgspec.Raw or bytes. The type checkers wrongly take Raw for a subclass of bytes.
Payload = Any
Decoder = Callable[[Payload], Any]

MAX_KEYS: Final = 500
"""The most values of a payload whose type puts them into a set or dict: a client could choose values of one hash."""

LONG: Final = 21
"""Digits of an integer of more than 64 bits: a client can choose many of these with the same hash."""

_AS_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")


def decoder_for(annotation: Any, *, subject: str, where: str | None) -> Decoder:
    """Return the function that decodes a payload to a type.

    Args:
        annotation: The type, resolved.
        subject: The handler of the payload, for the error.
        where: The ``file:line`` of the handler, for the error; None if it is unknown.

    Raises:
        DefinitionError: JSON can't become this type.
    """
    if annotation is bytes:
        return _binary_only
    if annotation in (Any, object):
        return anything
    if get_origin(annotation) in (Union, UnionType) and bytes in get_args(annotation):
        rest = tuple(one for one in get_args(annotation) if one is not bytes)
        from_json = decoder_for(Union[rest], subject=subject, where=where)  # noqa: UP007
        return lambda payload: payload if isinstance(payload, bytes) else from_json(payload)
    subject = f"{subject} has a payload"
    facts = read_type(annotation)
    adapter = adapter_of(annotation, facts, subject=subject, where=where)
    decode: Callable[[Any], Any]
    if adapter is None:
        decode = msgspec.json.Decoder(annotation, dec_hook=from_builtin).decode
    else:
        decode = _decode_by(adapter)
    return _json_only(_bounded(decode, facts))


def _json_only(decode: Callable[[Any], Any]) -> Decoder:
    def from_json(payload: Payload) -> Any:
        if isinstance(payload, bytes):
            raise InvalidPayload([mistake("", "expected JSON, got a binary frame")])
        try:
            return decode(payload)
        except (
            ModelError,
            msgspec.MsgspecError,
            UnicodeDecodeError,
            RecursionError,
        ) as error:
            raise explain(error, payload) from error

    return from_json


def _decode_by(adapter: Adapter) -> Callable[[Any], Any]:
    return lambda payload: adapter.from_json(bytes(payload))


def _bounded(decode: Callable[[Any], Any], facts: Facts) -> Callable[[Any], Any]:
    """Return a function that first refuses many keys, if a client can choose many keys with the same hash.

    The time to put n such keys into a set or dict grows with the square of n.
    """
    if facts.integers is None and facts.hashed is None:
        return decode

    def bounded(payload: Any) -> Any:
        check_keys(bytes(payload), facts)
        return decode(payload)

    return bounded


def check_keys(data: bytes, facts: Facts) -> None:
    """Refuse JSON with many values that could have the same hash.

    Args:
        data: The JSON text.
        facts: The parts of the type.

    Raises:
        InvalidPayload: The JSON has too many values, or an integer of more than 64 bits.
    """
    if data.count(b",") < MAX_KEYS:
        return
    if facts.hashed is not None:
        raise InvalidPayload([mistake("", f"expected at most {MAX_KEYS} values")])
    if b"0" * LONG in data.translate(_AS_ZERO):
        raise InvalidPayload([mistake("", "expected integers of at most 64 bits")])


def check_type(annotation: Any, *, subject: str, where: str | None) -> None:
    """Refuse a type that JSON can't become.

    Args:
        annotation: The type.
        subject: What the type belongs to, for the error.
        where: The ``file:line`` of the type, for the error; None if it is unknown.

    Raises:
        DefinitionError: JSON can't become the type, or a part of the type.
    """
    adapter_of(annotation, read_type(annotation), subject=subject, where=where)


def adapter_of(annotation: Any, facts: Facts, *, subject: str, where: str | None) -> Adapter | None:
    """Return the adapter that checks a type with pydantic; None if msgspec checks the type.

    Raises:
        DefinitionError: Neither library can check the whole type.
    """
    if facts.foreign is not None:
        raise DefinitionError(
            f"{subject} that asks for {type(facts.foreign).__name__}(...)",
            expected="a type: Bennu resolves no dependencies of a web framework",
            got=repr(annotation),
            write="its objects in the lifespan's state (self.state, info.state), or a call of your own",
            where=where,
        )
    if facts.pydantic is not None and facts.native is None:
        return adapter_for(annotation, subject=subject, where=where)
    ignored = facts.constraint if facts.constraint is not None else facts.validated
    if ignored is not None:
        raise DefinitionError(
            f"{subject} with constraints that would be ignored",
            expected="constraints of one library: of msgspec in Structs, of pydantic in models",
            got=f"{ignored!r} beside {facts.native!r}",
            write="Annotated[int, msgspec.Meta(ge=0)], or a pydantic.BaseModel for all of it",
            where=where,
        )
    problem: str | None
    try:
        foreign = _foreign(msgspec.inspect.type_info(annotation), set())
        problem = None if foreign is None else f"{foreign!r}"
    except (TypeError, ValueError, NameError) as error:
        problem = str(error)
    if problem is not None:
        raise DefinitionError(
            f"{subject} that JSON can't become",
            expected="a Struct, dataclass, TypedDict, builtin type or pydantic model, or bytes",
            got=f"{annotation!r} ({problem})",
            write="payload: dict[str, Any]",
            where=where,
        )
    return None


def _foreign(info: Any, seen: set[int]) -> Any:
    """Return a class in a type that neither msgspec nor pydantic can check; None if there is none."""
    if isinstance(info, msgspec.inspect.CustomType):
        return None if info.cls is object or is_model(info.cls) else info.cls
    if isinstance(info, tuple):
        inner: list[Any] = list(cast("tuple[Any, ...]", info))
    elif isinstance(info, msgspec.inspect.Type | msgspec.inspect.Field) and id(info) not in seen:
        seen.add(id(info))
        inner = [getattr(info, name) for name in info.__struct_fields__]
    else:
        return None
    return next((found for one in inner if (found := _foreign(one, seen)) is not None), None)


def from_builtin(kind: Any, value: Any) -> Any:
    """Return a pydantic model for msgspec, which calls this for each class that it can't make itself."""
    if not is_model(kind):
        return value
    adapter = _adapters.get(kind)
    if adapter is None:
        adapter = _adapters[kind] = adapter_for(kind, subject="a model", where=None)
    return adapter.from_builtins(value)


_adapters: dict[type, Adapter] = {}
"""The adapters of models inside of other types: one for each model of the application."""


def _binary_only(payload: Payload) -> Any:
    if isinstance(payload, bytes):
        return payload
    raise InvalidPayload([mistake("", "expected a binary frame, got JSON")])


_decode_any = msgspec.json.Decoder().decode


def anything(payload: Payload) -> Any:
    """Return the builtins of a JSON payload, or the bytes of a binary payload."""
    if isinstance(payload, bytes):
        return payload
    try:
        return _decode_any(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise explain(error, payload) from error
