"""From the payload on the wire to the type that a handler asks for.

The handler's annotation decides: ``bytes`` takes a binary frame, ``Any`` any payload, and every other type takes
JSON that fits it. msgspec checks Structs, dataclasses, TypedDicts, classes of attrs and builtins. pydantic checks
types that hold anything of pydantic: a model, one of its dataclasses, or a constraint (``Field``,
``annotated_types``). Models may stand inside of a Struct; constraints of pydantic may not, since msgspec would
ignore them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from types import UnionType
from typing import Any, Final, Union, cast, get_args, get_origin

import msgspec

from ..errors import BennuError, DefinitionError
from ..logs.printable import described, printable
from .models import Adapter, ModelError, adapter_for, mistake, path_of, tidy
from .types import Facts, is_model, read_type

__all__ = [
    "HALVED",
    "Converter",
    "Decoder",
    "InvalidPayload",
    "anything",
    "check_type",
    "convert",
    "converter_for",
    "decoder_for",
    "to_builtin",
    "to_type",
]

# msgspec.Raw or bytes; the checkers take Raw for a subclass of bytes, which it is not.
Payload = Any
Decoder = Callable[[Payload], Any]
Converter = Callable[[Any], Any]

HALVED: Final = msgspec.Raw(rb'"\ud800"')
"""Stands for a payload of which some text ends in half a character: no type takes it."""

MAX_KEYS: Final = 500
"""Values of a payload, if some are hashed whose hash a client could choose."""

LONG: Final = 21
"""Digits of an integer of which a client can choose many with the same hash: over 64 bits."""

_AS_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")


class InvalidPayload(BennuError):
    """The payload doesn't fit the type.

    Attributes:
        errors: ``{"path": ..., "message": ...}`` of each mistake.
    """

    def __init__(self, errors: list[dict[str, str]]) -> None:
        self.errors = errors
        super().__init__(f"invalid payload: {errors}")


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
    adapter = _adapter(annotation, facts, subject=subject, where=where)
    decode: Callable[[Any], Any]
    if adapter is None:
        decode = msgspec.json.Decoder(annotation, dec_hook=_from_builtin).decode
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
            raise _invalid(error, payload) from error

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
        _check_keys(bytes(payload), facts)
        return decode(payload)

    return bounded


def _check_keys(data: bytes, facts: Facts) -> None:
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
    _adapter(annotation, read_type(annotation), subject=subject, where=where)


def _adapter(annotation: Any, facts: Facts, *, subject: str, where: str | None) -> Adapter | None:
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


def _from_builtin(kind: Any, value: Any) -> Any:
    """Make what msgspec does not know: a pydantic model somewhere inside of a type."""
    if not is_model(kind):
        return value
    adapter = _adapters.get(kind)
    if adapter is None:
        adapter = _adapters[kind] = adapter_for(kind, subject="a model", where=None)
    return adapter.from_builtins(value)


_adapters: dict[type, Adapter] = {}
"""Of the models that stand inside of other types: as many as the application has."""


def to_builtin(value: Any) -> Any:
    """Turn what msgspec doesn't know into what it does.

    A pydantic model becomes its JSON form, with its aliases. What is derived from text, numbers or bytes
    becomes what it is derived from, and so does a scalar of numpy.

    Raises:
        TypeError: It can't be written as JSON, or its own code raised what is no Exception.
        Exception: What its own code raised.
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


def converter_for(annotation: Any, *, subject: str, where: str | None) -> Converter:
    """Return the function that turns builtins whose scalars are text (query parameters) into a type, leniently.

    It raises InvalidPayload if they don't fit. A list that came as an object with the keys ``"0"``, ``"1"`` and
    so on, as the stock client writes it, is taken for a list where the type wants one.

    Raises:
        DefinitionError: They can't become this type.
    """
    facts = read_type(annotation)
    adapter = _adapter(annotation, facts, subject=subject, where=where)

    def convert_once(value: Any) -> Any:
        if adapter is not None:
            return adapter.from_builtins(value)
        return msgspec.convert(value, annotation, strict=False, dec_hook=_from_builtin)

    def convert(value: Any) -> Any:
        if facts.integers is not None or facts.hashed is not None:
            _check_keys(msgspec.json.encode(value), facts)
        for _ in range(MAX_LISTS):
            try:
                return convert_once(value)
            except (ModelError, msgspec.ValidationError) as error:
                listed = _with_list(value, _steps_of(error))
                if listed is None:
                    raise _invalid(error, value) from error
                value = listed
        raise InvalidPayload([mistake("", f"expected at most {MAX_LISTS} lists")])

    return convert


def convert(value: Any, annotation: Any) -> Any:
    """Turn builtins whose scalars are text into a type, once: see :func:`converter_for`.

    Raises:
        InvalidPayload: They don't fit.
        DefinitionError: They can't become this type.
    """
    return converter_for(annotation, subject="a value", where=None)(value)


def to_type(value: Any, annotation: Any) -> None:
    """Check that a value to be sent fits a type, as its JSON is.

    Raises:
        InvalidPayload: It doesn't.
    """
    with suppress(TypeError):  # a TypedDict is no class that can be asked
        if isinstance(value, annotation):
            return
    try:
        encoded = msgspec.json.encode(value, enc_hook=to_builtin)
    except Exception as error:  # of any kind: models and other objects have code of their own
        raise InvalidPayload([mistake("", tidy(printable(error)))]) from error
    _checker(annotation)(msgspec.Raw(encoded))


@cache
def _checker(annotation: Any) -> Decoder:
    return decoder_for(annotation, subject="what is sent", where=None)


MAX_LISTS: Final = 32
"""Lists of one query."""


def _with_list(value: Any, steps: list[Any]) -> Any:
    """Return a copy of a value in which the object at the end of some steps is a list, or None if it can't be."""
    if not steps:
        return _as_list(value)
    step, *others = steps
    if step is ...:
        return _with_lists_inside(value, others)
    if isinstance(value, Mapping) and step in value:
        mapping = cast("Mapping[Any, Any]", value)
        inner = _with_list(mapping[step], others)
        return None if inner is None else {**mapping, step: inner}
    if isinstance(value, list) and isinstance(step, int) and step < len(cast("list[Any]", value)):
        items = list(cast("list[Any]", value))
        inner = _with_list(items[step], others)
        return None if inner is None else [*items[:step], inner, *items[step + 1 :]]
    return None


def _with_lists_inside(value: Any, steps: list[Any]) -> Any:
    """Do so for each value of an object, since it is not known which one is meant."""
    if not isinstance(value, dict):
        return None
    given = cast("dict[str, Any]", value)
    listed = {key: _with_list(inner, steps) for key, inner in given.items()}
    if all(inner is None for inner in listed.values()):
        return None
    return {key: given[key] if inner is None else inner for key, inner in listed.items()}


def _as_list(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        return None
    given = cast("dict[str, Any]", value)
    numbers = [str(number) for number in range(len(given))]
    return [given[number] for number in numbers] if given.keys() == set(numbers) else None


# What a client is told.


def _invalid(error: Exception, given: Any) -> InvalidPayload:
    """Return the mistakes of a payload that does not fit, as its client is told of them."""
    if given is HALVED:
        return InvalidPayload([mistake("", "a text of it ends in half a character")])
    path, message = _read(str(error))
    inner = error if isinstance(error, ModelError) else error.__cause__
    if isinstance(inner, ModelError):
        if inner is error:
            path = ""
        return InvalidPayload(
            [mistake(_joined(path, path_of(steps)), text) for steps, text in inner.mistakes]
        )
    return InvalidPayload([mistake(path, message)])


def _joined(outer: str, inner: str) -> str:
    return outer + inner if not outer or inner[:1] in ("", "[") else f"{outer}.{inner}"


def _steps_of(error: Exception) -> list[Any]:
    """Return the steps to the first mistake; ``...`` is a key that is not told."""
    inner = error if isinstance(error, ModelError) else error.__cause__
    outer: list[Any] = []
    if inner is not error:
        path, _ = _read(str(error))
        path = path.replace("[...]", "[]")
        for part in path.replace("]", "").replace("[", ".[").split("."):
            if part[:1] != "[":
                outer += [part] if part else []
            else:
                outer.append(int(part[1:]) if part[1:].isdecimal() else ...)
    if isinstance(inner, ModelError):
        return [*outer, *inner.mistakes[0][0]]
    return outer


def _read(text: str) -> tuple[str, str]:
    """Return the path and the message of what msgspec says, without what the client sent."""
    path = ""
    if text.endswith("`"):
        message, separator, place = text[:-1].rpartition(" - at `$")
        if separator:
            text, path = message, place.removeprefix(".")
    for beginning in ("Invalid enum value", "Invalid value"):
        if text.startswith(beginning):
            return tidy(path), beginning
    return tidy(path), tidy(text)


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
        raise _invalid(error, payload) from error
