"""Finds out what kind of function a user gave: async, a generator, or one that is annotated ``-> bool``.

A function can be wrapped in a ``functools.partial``, in a method, or in an object with ``__call__``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from ..errors import DefinitionError, source_line

__all__ = [
    "add_refusal_note",
    "is_async",
    "is_response",
    "name_of",
    "refuse_async",
    "refuse_bool",
    "refuse_generator",
]


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a call gives a coroutine, as far as that can be known before the call."""
    return any(map(inspect.iscoroutinefunction, _faces(function)))


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name for logs, without its address."""
    faces = _faces(function)
    names = (getattr(face, "__qualname__", None) for face in faces[:1])
    return next((name for name in names if isinstance(name, str)), type(faces[0]).__qualname__)


def refuse_generator(subject: str, function: Callable[..., Any]) -> None:
    """Refuse a generator function: Bennu does not iterate over results, so its body would never run.

    Args:
        subject: The option that the user gave the function as: ``Socket(connect=...)``.
        function: The user's function.

    Raises:
        DefinitionError: The function is a generator function, or an async generator function.
    """
    for face in _faces(function):
        if inspect.isgeneratorfunction(face) or inspect.isasyncgenfunction(face):
            raise DefinitionError(
                f"{subject} is a generator",
                expected="a function that returns its result: `async def` or `def`, without `yield`",
                got=f"{name_of(function)}, which has a `yield`",
                write="return ... in place of yield ...",
                where=source_line(face),
            )


def refuse_async(subject: str, function: Callable[..., Any], *, why: str, write: str) -> None:
    """Refuse an async function where nothing can be awaited.

    Args:
        subject: The option that the user gave the function as.
        function: The user's function.
        why: The reason why the function can't be awaited, for the error.
        write: The code to write instead, for the error.

    Raises:
        DefinitionError: The function is async.
    """
    if is_async(function):
        raise DefinitionError(
            subject,
            expected=f"a plain function: {why}",
            got=f"{name_of(function)}, which is async",
            write=write,
            where=source_line(_faces(function)[0]),
        )


def refuse_bool(subject: str, function: Callable[..., Any], *, write: str) -> None:
    """Refuse a function that is annotated ``-> bool`` in a place where False would not refuse a client.

    Args:
        subject: The option that the user gave the function as.
        function: The user's function.
        write: The code to write instead, for the error.

    Raises:
        DefinitionError: The function's annotation says that it returns a bool.
    """
    for face in _faces(function):
        annotations: dict[str, Any] = getattr(inspect.unwrap(face), "__annotations__", {})
        if annotations.get("return") in (bool, "bool"):
            raise DefinitionError(
                f"{subject} returns a bool",
                expected="`raise Refused(reason)` for a client that may not enter",
                got=f"{name_of(function)}(...) -> bool: False would let the client in",
                write=write,
                where=source_line(inspect.unwrap(face)),
            )


_REFUSALS = frozenset(
    {"HTTPException", "WebSocketException", "Http404", "PermissionDenied", "APIException"}
)
"""Names of exceptions that are an answer to a client in other frameworks."""


def is_response(value: object) -> bool:
    """Return whether a value is a web framework's response to an HTTP request. Such a value mostly means a refusal."""
    kinds = type(value).__mro__
    return any("Response" in kind.__name__ for kind in kinds) and hasattr(value, "status_code")


def add_refusal_note(error: BaseException) -> None:
    """Add a note to another framework's exception: the log then shows what to write for Bennu.

    Args:
        error: The exception that a user's function raised. Any other exception is left unchanged.
    """
    foreign = [cls for cls in type(error).__mro__ if cls.__name__ in _REFUSALS]
    if foreign:
        error.add_note(
            f"{foreign[0].__module__}.{foreign[0].__name__} is an answer to an HTTP request, and Bennu takes it for"
            ' a crash. To refuse a connect, a join or an event, write: raise bennu.Refused("reason")'
        )


def _faces(function: Any) -> list[Any]:
    """Return the function without its partials, and its ``__call__`` if the function is an object."""
    while True:
        if isinstance(function, partial):
            function = cast("partial[Any]", function).func
        elif isinstance(function, staticmethod | classmethod):
            function = cast("staticmethod[..., Any]", function).__func__
        else:
            break
    if inspect.isroutine(function) or inspect.isclass(function):
        return [function]
    call = getattr(cast("type[Any]", type(function)), "__call__", None)  # noqa: B004 - the function itself is wanted
    return [function] if call is None else [function, call]
