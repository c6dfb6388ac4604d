"""Types that pydantic checks: whole types, and models inside of types that msgspec checks.

pydantic is the user's dependency: this module imports it only if the user's types need it.
"""

from __future__ import annotations

import importlib
import re
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec

from ..errors import DefinitionError

__all__ = ["MAX_MISTAKES", "Adapter", "ModelError", "adapter_for", "mistake", "path_of", "tidy"]

MAX_MISTAKES: Final = 20
"""Mistakes of one payload that a client is told at most."""

MAX_MESSAGE: Final = 200
"""Characters of one message, and of one step of a path, at most: a client's key can have any length."""

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]++")

Mistake = dict[str, str]
Step = int | str


class ModelError(ValueError):
    """A value does not fit its model. msgspec adds the value's path.

    Attributes:
        mistakes: For each mistake the steps of its path, and its message.
    """

    def __init__(self, mistakes: list[tuple[list[Step], str]]) -> None:
        self.mistakes = mistakes
        super().__init__("a value that does not fit")


class Adapter:
    """Checks values of one type with pydantic.

    Args:
        adapter: A ``pydantic.TypeAdapter``.
    """

    __slots__ = ("_adapter",)

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter

    def from_json(self, data: bytes) -> Any:
        """Return the value of a JSON text.

        Raises:
            ModelError: The value does not fit the type.
        """
        return self._checked(lambda: self._adapter.validate_json(data), data)

    def from_builtins(self, value: Any) -> Any:
        """Return the value of builtins, whose scalars can be text.

        Raises:
            ModelError: The builtins do not fit the type.
        """
        return self._checked(lambda: self._adapter.validate_python(value), value)

    def _checked(self, validate: Callable[[], Any], given: Any) -> Any:
        pydantic = cast("Any", sys.modules["pydantic"])
        try:
            return validate()
        except pydantic.ValidationError as error:
            raise ModelError(_mistakes_of(error, given)) from error


def adapter_for(annotation: Any, *, subject: str, where: str | None) -> Adapter:
    """Return the adapter that checks a type with pydantic.

    Args:
        annotation: The type.
        subject: What the type belongs to, for errors.
        where: The ``file:line`` of the type, for errors; None if it is unknown.

    Raises:
        DefinitionError: pydantic can't check the type, or is not installed.
    """
    try:
        pydantic: Any = importlib.import_module("pydantic")
    except ImportError as error:
        raise DefinitionError(
            f"{subject} with a constraint that needs pydantic, which is not installed",
            expected="a constraint of msgspec",
            got=repr(annotation),
            write="Annotated[int, msgspec.Meta(ge=0)]",
            where=where,
        ) from error
    try:
        return Adapter(pydantic.TypeAdapter(_with_own_typed_dict(annotation)))
    except (pydantic.errors.PydanticUserError, NameError, TypeError, ValueError) as error:
        raise DefinitionError(
            f"{subject} that pydantic can't check",
            expected="a type that pydantic knows, since a part of it is pydantic's",
            got=f"{annotation!r} ({str(error).partition(chr(10))[0]})",
            write="a pydantic.BaseModel",
            where=where,
        ) from error


def _with_own_typed_dict(annotation: Any) -> Any:
    """Return a TypedDict as one of typing_extensions, which pydantic needs before Python 3.12."""
    if sys.version_info >= (3, 12) or type(annotation).__name__ != "_TypedDictMeta":
        return annotation
    import typing_extensions  # noqa: PLC0415 - pydantic brings it

    hints = typing.get_type_hints(annotation, include_extras=True)
    required: frozenset[str] = annotation.__required_keys__
    fields = {
        name: kind if name in required else typing_extensions.NotRequired[kind]
        for name, kind in hints.items()
    }
    make: Any = typing_extensions.TypedDict
    return make(annotation.__name__, fields)


# The mistakes that a client is told.


def _mistakes_of(error: Any, given: Any) -> list[tuple[list[Step], str]]:
    value = given
    if isinstance(given, bytes):
        try:
            value = msgspec.json.decode(given)
        except msgspec.MsgspecError:
            value = None
    found: list[tuple[list[Step], str]] = []
    for one in error.errors(include_url=False, include_input=False)[:MAX_MISTAKES]:
        mistake = (_steps(one["loc"], value, is_missing=one["type"] == "missing"), _message(one))
        if mistake not in found:
            found.append(mistake)
    return found


def _steps(loc: Sequence[Step], value: Any, *, is_missing: bool) -> list[Step]:
    """Return the steps to a mistake in the value, without the names of types that pydantic puts in between."""
    steps: list[Step] = []
    for position, step in enumerate(loc):
        is_last = position == len(loc) - 1
        if isinstance(value, dict) and step in value:
            value = cast("dict[Step, Any]", value)[step]
        elif isinstance(value, list) and isinstance(step, int):
            items = cast("list[Any]", value)
            value = items[step] if step < len(items) else None
        elif not (is_last and is_missing):
            continue
        steps.append(step)
    return steps


_PLAIN: Final = {
    "model_type": "Input should be an object",
    "model_attributes_type": "Input should be an object",
    "dataclass_type": "Input should be an object",
    "dataclass_exact_type": "Input should be an object",
    "is_instance_of": "Input is of another type",
    "is_subclass_of": "Input is of another type",
    "union_tag_not_found": "Input has no tag that says which of the types it is",
    "union_tag_invalid": "Input should have one of the tags",
}
"""Messages that replace those of pydantic that hold the name of a class, or the client's data."""


def _message(one: dict[str, Any]) -> str:
    kind: str = one["type"]
    if kind in _PLAIN:
        expected = one.get("ctx", {}).get("expected_tags")
        return _PLAIN[kind] if expected is None else f"{_PLAIN[kind]} {expected}"
    message: str = one["msg"]
    if kind.endswith("_parsing"):
        message = message.partition(",")[0]  # the client's data can follow the comma
    return tidy(message)


def tidy(message: str) -> str:
    """Return a message for a client: of bounded length, and without addresses in memory."""
    message = _ADDRESS.sub("", message[: 2 * MAX_MESSAGE])
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"


def path_of(steps: Sequence[Step]) -> str:
    """Return the path of these steps.

    Example:
        >>> path_of(["items", 0, "body"])
        'items[0].body'
    """
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{tidy(step)}" if path else tidy(step)
    return path


def mistake(path: str, message: str) -> Mistake:
    """Return a mistake in the form in which a client gets it."""
    return {"path": path, "message": message}
