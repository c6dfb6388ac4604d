"""From the payload on the wire to the type that a handler asks for.

The handler's annotation decides: ``bytes`` takes a binary frame, ``Any`` any payload, and every other type takes
JSON that fits it. msgspec checks Structs, dataclasses, TypedDicts, classes of attrs and builtins. pydantic checks
types that hold anything of pydantic: a model, one of its dataclasses, or a constraint (``Field``,
``annotated_types``). Models may stand inside of a Struct; constraints of pydantic may not, since msgspec would
ignore them.
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

# msgspec.Raw or bytes; the checkers take Raw for a subclass of bytes, which it is not.
Payload = Any
Decoder = Callable[[Payload], Any]

MAX_KEYS: Final = 500
"""Values of a payload, if some are hashed whose hash a client could choose."""

LONG: Final = 21
"""Digits of an integer of which a client can choose many with the same hash: over 64 bits."""

_AS_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")


def decoder_for(annotation: Any, *, subject: str, where: str | None) -> Decoder:
    """Return the function that turns a payload into what an annotation says.

    Args:
        annotation: The resolved type.
        subject: Whose payload it is, for the message.
        where: Its ``file:line``.

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
    """Return a function that refuses many keys first, if a client could choose ones that have the same hash.

    The time to put n of them into a set or dict grows with the square of n.
    """
    if facts.integers is None and facts.hashed is None:
        return decode

    def bounded(payload: Any) -> Any:
        check_keys(bytes(payload), facts)
        return decode(payload)

    return bounded


def check_keys(data: bytes, facts: Facts) -> None:
    if data.count(b",") < MAX_KEYS:
        return
    if facts.hashed is not None:
        raise InvalidPayload([mistake("", f"expected at most {MAX_KEYS} values")])
    if b"0" * LONG in data.translate(_AS_ZERO):
        raise InvalidPayload([mistake("", "expected integers of at most 64 bits")])


def check_type(annotation: Any, *, subject: str, where: str | None) -> None:
    """Refuse a type that JSON can't become, or that holds one.

    Raises:
        DefinitionError: It is one.
    """
    adapter_of(annotation, read_type(annotation), subject=subject, where=where)


def adapter_of(annotation: Any, facts: Facts, *, subject: str, where: str | None) -> Adapter | None:
    """Return what checks a type by pydantic, or None if msgspec does.

    Raises:
        DefinitionError: Neither can check all of it.
    """
    if facts.foreign is not None:
        raise DefinitionError(
            f"{subject} that asks for {type(facts.foreign).__name__}(...)",
            expected="a type: Bennu resolves no dependencies of a web framework",
            got=repr(annotation),
            write="what it needs in the lifespan's state (self.state, info.state), or call it yourself",
            where=where,
        )
    if facts.pydantic is not None and facts.native is None:
        return adapter_for(annotation, subject=subject, where=where)
    ignored = facts.constraint if facts.constraint is not None else facts.validated
    if ignored is not None:
        raise DefinitionError(
            f"{subject} whose constraints nobody would check",
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
    """Return a class somewhere in a type that neither msgspec nor pydantic knows, or None."""
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
    """Make what msgspec does not know: a pydantic model somewhere inside of a type."""
    if not is_model(kind):
        return value
    adapter = _adapters.get(kind)
    if adapter is None:
        adapter = _adapters[kind] = adapter_for(kind, subject="a model", where=None)
    return adapter.from_builtins(value)


_adapters: dict[type, Adapter] = {}
"""Of the models that stand inside of other types: as many as the application has."""


def _binary_only(payload: Payload) -> Any:
    if isinstance(payload, bytes):
        return payload
    raise InvalidPayload([mistake("", "expected a binary frame, got JSON")])


_decode_any = msgspec.json.Decoder().decode


def anything(payload: Payload) -> Any:
    """Return the builtins of a JSON payload, or the bytes of a binary one."""
    if isinstance(payload, bytes):
        return payload
    try:
        return _decode_any(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise explain(error, payload) from error
