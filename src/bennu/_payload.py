"""From the payload on the wire to the type that a handler asks for.

The handler's annotation decides: ``bytes`` takes a binary frame, ``Any`` whatever came, and everything
else is JSON that must fit the type: what msgspec converts (Structs, dataclasses, TypedDicts, attrs,
builtins), or a pydantic model where the user has pydantic.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

import msgspec

from .errors import BennuError, DefinitionError

__all__ = [
    "Decoder",
    "InvalidPayload",
    "anything",
    "check_type",
    "convert",
    "decoder_for",
    "to_builtin",
    "to_type",
]

# msgspec.Raw or bytes; the checkers take Raw for a subclass of bytes, which it is not.
Payload = Any
Decoder = Callable[[Payload], Any]

_PATH = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)


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
    check_type(annotation, subject=f"{subject} has a payload", where=where)
    if is_pydantic(annotation):
        return _pydantic_decoder(annotation)
    decode = msgspec.json.Decoder(annotation, dec_hook=_from_builtin).decode

    def from_struct(payload: Payload) -> Any:
        if isinstance(payload, bytes):
            raise InvalidPayload([_mistake("", "expected JSON, got a binary frame")])
        try:
            return decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidPayload([explain(error)]) from error

    return from_struct


def check_type(annotation: Any, *, subject: str, where: str | None) -> None:
    """Refuse a type that JSON can't become, or that holds one.

    Raises:
        DefinitionError: It is one.
    """
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


def _foreign(info: Any, seen: set[int]) -> Any:
    """Return a class somewhere in a type that neither msgspec nor pydantic knows, or None."""
    if isinstance(info, msgspec.inspect.CustomType):
        return None if info.cls is object or is_pydantic(info.cls) else info.cls
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
    return kind.model_validate(value) if is_pydantic(kind) else value


def to_builtin(value: Any) -> Any:
    """Turn what msgspec doesn't know into what it does: a pydantic model into its JSON form."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def convert(value: Any, annotation: Any) -> Any:
    """Turn builtins whose scalars are text (query parameters) into a type, leniently.

    Raises:
        InvalidPayload: They don't fit.
    """
    if is_pydantic(annotation):
        return _validated(lambda: annotation.model_validate(value))
    try:
        return msgspec.convert(value, annotation, strict=False, dec_hook=_from_builtin)
    except msgspec.ValidationError as error:
        raise InvalidPayload([explain(error)]) from error


def is_pydantic(annotation: Any) -> bool:
    """Whether a type is a pydantic model, without importing pydantic for those who don't use it."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not isinstance(annotation, type):
        return False
    base: type = pydantic.BaseModel
    return issubclass(annotation, base)


def explain(error: Exception) -> dict[str, str]:
    """Return the path and the message of a mistake that msgspec found."""
    found = _PATH.fullmatch(str(error))
    return _mistake(found[2], found[1]) if found else _mistake("", str(error))


def _mistake(path: str, message: str) -> dict[str, str]:
    return {"path": path, "message": message}


def _binary_only(payload: Payload) -> Any:
    if isinstance(payload, bytes):
        return payload
    raise InvalidPayload([_mistake("", "expected a binary frame, got JSON")])


_decode_any = msgspec.json.Decoder().decode


def anything(payload: Payload) -> Any:
    """Return the builtins of a JSON payload, or the bytes of a binary one."""
    if isinstance(payload, bytes):
        return payload
    try:
        return _decode_any(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidPayload([explain(error)]) from error


def _pydantic_decoder(model: Any) -> Decoder:
    def from_model(payload: Payload) -> Any:
        if isinstance(payload, bytes):
            raise InvalidPayload([_mistake("", "expected JSON, got a binary frame")])
        return _validated(lambda: model.model_validate_json(bytes(payload)))

    return from_model


def _validated(validate: Callable[[], Any]) -> Any:
    pydantic = cast("Any", sys.modules["pydantic"])
    try:
        return validate()
    except pydantic.ValidationError as error:
        raise InvalidPayload(
            [
                _mistake(".".join(str(step) for step in one["loc"]), one["msg"])
                for one in error.errors()
            ]
        ) from error


def to_type(value: Any, annotation: Any) -> None:
    """Check that a value to be sent fits a type.

    Raises:
        InvalidPayload: It doesn't.
    """
    with suppress(TypeError):  # a TypedDict is no class that can be asked
        if isinstance(value, annotation):
            return
    if is_pydantic(annotation):
        model: Any = annotation
        _validated(lambda: model.model_validate(value))
        return
    try:
        builtins = msgspec.to_builtins(value, enc_hook=to_builtin)
        msgspec.convert(builtins, annotation, dec_hook=_from_builtin)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidPayload([explain(error)]) from error
