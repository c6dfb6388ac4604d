"""Checks the options of public classes. Each class has one table of what its options can be.

``@options(timeout=SECONDS, ...)`` above a class checks every option before an object is made. An error for an unknown
option names the nearest option. An error for a value of another type says what to write.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from ..errors import DefinitionError

__all__ = [
    "CLASSES",
    "COUNT",
    "FLAG",
    "NUMBER",
    "SECONDS",
    "TEXT",
    "TEXTS",
    "WHOLE",
    "Option",
    "WrongOptions",
    "check_option",
    "instance_of",
    "optional",
    "options",
]

C = TypeVar("C", bound=type[Any])


class WrongOptions(DefinitionError, TypeError):
    """Options that a class does not have, or needs. It is also a TypeError, as Python raises for wrong arguments."""


@dataclass(frozen=True, slots=True)
class Option:
    """The values that one option can have.

    Attributes:
        expected: The values in words, for errors.
        fits: Returns whether a value is one of them.
        example: One of the values as source code, for errors.
        is_secret: Whether a value can have a secret in it, so that errors name only the type of a wrong one.
    """

    expected: str
    fits: Callable[[Any], bool]
    example: str
    is_secret: bool = False


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # the integer is too large for a float
        return False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value > 0


def _is_class(value: Any) -> bool:
    return isinstance(value, type)


NUMBER: Final = Option("a number", _is_number, "1.5")
SECONDS: Final = Option("a number above 0", lambda value: _is_number(value) and value > 0, "60")
COUNT: Final = Option("a whole number above 0", _is_count, "100")
WHOLE: Final = Option("a whole number", _is_whole, "6")
FLAG: Final = Option("True or False", lambda value: isinstance(value, bool), "True")
TEXT: Final = Option("text", lambda value: isinstance(value, str), '"..."')
CLASSES: Final = Option(
    "a list of classes",
    lambda value: isinstance(value, list | tuple) and all(map(_is_class, cast("list[Any]", value))),
    "[PriceChanged]",
)
TEXTS: Final = Option(
    "a list of texts",
    lambda value: (
        isinstance(value, Iterable)
        and not isinstance(value, str | bytes)
        and all(isinstance(one, str) for one in cast("Iterable[Any]", value))
    ),
    '["..."]',
)


def instance_of(kind: type[Any], expected: str, example: str) -> Option:
    """Return the option whose values are objects of one class.

    Args:
        kind: The class.
        expected: The values in words, for errors: ``"how many clients can connect"``.
        example: One value as source code, for errors.

    Example:
        >>> instance_of(range, "some numbers", "range(7)").fits(range(3))
        True
    """
    return Option(expected, lambda value: isinstance(value, kind), example)


def optional(option: Option) -> Option:
    """Return an option that can also be None."""
    return Option(
        f"{option.expected}, or None",
        lambda value: value is None or option.fits(value),
        option.example,
        option.is_secret,
    )


def check_option(subject: str, name: str, option: Option, value: Any, *, write: str = "") -> None:
    """Refuse a value that an option can't have.

    Args:
        subject: The class and the option, for the error: ``Socket(timeout=...)``.
        name: The name of the option.
        option: The values that the option can have.
        value: The value that was given.
        write: The code to write instead, for the error; the default is the option's example.

    Raises:
        DefinitionError: The option can't have this value.
    """
    if not option.fits(value):
        raise DefinitionError(
            subject,
            expected=option.expected,
            got=f"an object of {type(value).__name__}" if option.is_secret else repr(value),
            write=write or f"{name}={option.example}",
        )


def options(**table: Option) -> Callable[[C], C]:
    """Return a class decorator that checks options before an object of the class is made.

    Args:
        table: The values that options can have, by the options' names. An option of the class that is not in
            the table can have any value.
    """

    def decorate(cls: C) -> C:
        known: dict[str, Option] = {**getattr(cls, "__bennu_options__", {}), **table}
        signature = _signature_of(cls)
        original: Any = vars(cls)["__init__"]

        @functools.wraps(original)
        def checked(self: Any, /, *args: Any, **kwargs: Any) -> None:
            given = _bound(cls, signature, args, kwargs)
            for name, value in given.items():
                option = known.get(name)
                default = signature.parameters[name].default
                if option is not None and value is not default:
                    check_option(f"{cls.__name__}({name}=...)", name, option, value)
            original(self, *args, **kwargs)

        cls.__bennu_options__ = known
        cls.__init__ = checked
        return cls

    return decorate


def _signature_of(cls: type[Any]) -> inspect.Signature:
    """Return the signature of a class's ``__init__``, including the options of its base classes."""
    parameters: dict[str, inspect.Parameter] = {}
    takes_more = True
    for base in cls.__mro__:
        own: Any = vars(base).get("__init__")
        if not takes_more or own is None or base is object:
            continue
        takes_more = False
        for one in list(inspect.signature(own).parameters.values())[1:]:
            if one.kind is one.VAR_KEYWORD:
                takes_more = True
            else:
                parameters.setdefault(one.name, one)
    return inspect.Signature(sorted(parameters.values(), key=lambda one: one.kind))


def _bound(
    cls: type[Any], signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the given values by the names of the options.

    Raises:
        WrongOptions: An option is unknown or missing, or was given without its name.
    """
    names = list(signature.parameters)
    unknown = next((name for name in kwargs if name not in signature.parameters), None)
    if unknown is not None:
        nearest = difflib.get_close_matches(unknown, names, n=1, cutoff=0.5)
        raise WrongOptions(
            f"{cls.__name__}({unknown}=...)",
            expected=f"an option of {cls.__name__}: {', '.join(names)}",
            got=f"{unknown!r}, which it does not have",
            write=f"{nearest[0]}=..." if nearest else f"{cls.__name__}(...) without {unknown}",
        )
    try:
        return dict(signature.bind(*args, **kwargs).arguments)
    except TypeError as error:
        needed = [
            f"{one.name}=..." for one in signature.parameters.values() if one.default is one.empty
        ]
        raise WrongOptions(
            f"{cls.__name__}(...)",
            expected=f"{cls.__name__}({', '.join(names)})",
            got=str(error),
            write=f"{cls.__name__}({', '.join(needed)})",
        ) from error
