"""The user's ``connect`` and ``refresh``, and what they want to be called with."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from ._payload import InvalidPayload, check_type, convert
from .connect_info import ConnectInfo
from .errors import DefinitionError, Refused, source_line
from .reasons import Reason

__all__ = ["Connect", "Connector", "Refresh", "Refresher"]

A = TypeVar("A")

Connect = (
    Callable[[Any, ConnectInfo], Awaitable[A]]
    | Callable[[Any], Awaitable[A]]
    | Callable[[], Awaitable[A]]
    | Callable[[Any, ConnectInfo], A]
    | Callable[[Any], A]
    | Callable[[], A]
)

Refresh = Callable[[str, ConnectInfo], Awaitable[A | None]] | Callable[[str, ConnectInfo], A | None]


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a function or an object with ``__call__`` is awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        type(function).__call__
    )


class Connector(Generic[A]):
    """The user's ``connect``, and what it wants to be called with."""

    __slots__ = ("_annotation", "_parameters", "function", "is_async")

    def __init__(self, function: Connect[A]) -> None:
        if not callable(function):
            raise DefinitionError(
                "Socket(connect=...)",
                expected="a function that returns the assigns",
                got=repr(function),
                write="async def connect(params: ConnectParams) -> User",
            )
        self.function: Callable[..., Any] = function
        self.is_async = is_async(function)
        self._parameters = 0
        self._annotation: Any = Any

    def define(self) -> None:
        """Read its signature."""
        parameters = self._read_signature()
        self._parameters = len(parameters)
        if self._parameters > 2:
            raise DefinitionError(
                "Socket(connect=...)",
                expected="at most (params, info)",
                got=f"({', '.join(parameter.name for parameter in parameters)})",
                write="async def connect(params: ConnectParams, info: ConnectInfo) -> User",
                where=source_line(self.function),
            )
        if parameters:
            annotation = parameters[0].annotation
            self._annotation = Any if annotation is inspect.Parameter.empty else annotation
            check_type(
                self._annotation,
                subject="Socket(connect=...) takes params of a type",
                where=source_line(self.function),
            )

    def _read_signature(self) -> list[inspect.Parameter]:
        try:
            signature = inspect.signature(self.function, eval_str=True)
        except ValueError as error:
            raise DefinitionError(
                "Socket(connect=...)",
                expected="a function whose parameters can be read",
                got=repr(self.function),
                write="connect=lambda params: ...",
            ) from error
        except (NameError, AttributeError, TypeError, SyntaxError) as error:
            raise DefinitionError(
                "an annotation of Socket(connect=...) can't be resolved",
                expected="a type that the module knows at run time",
                got=str(error),
                write="import it outside of `if TYPE_CHECKING`, or define it at the top level",
                where=source_line(self.function),
            ) from error
        return list(signature.parameters.values())

    def arguments(self, params: dict[str, Any], info: ConnectInfo) -> tuple[Any, ...]:
        """Return what to call it with.

        Raises:
            Refused: The parameters don't fit their type.
        """
        if self._parameters == 0:
            return ()
        typed: Any = params
        if self._annotation is not Any:
            try:
                typed = convert(params, self._annotation)
            except InvalidPayload as error:
                raise Refused(Reason.INVALID_PARAMS.text, errors=error.errors) from error
        return (typed, info)[: self._parameters]


class Refresher:
    """The user's ``refresh``: what is asked about a token that comes in the middle of a connection."""

    __slots__ = ("function", "is_async")

    def __init__(self, function: Refresh[Any]) -> None:
        self.function: Callable[..., Any] = function
        self.is_async = is_async(function)
        try:
            inspect.signature(function).bind("token", "info")
        except (TypeError, ValueError) as error:
            raise DefinitionError(
                "Socket(refresh=...)",
                expected="a function of a token and the info of the connection",
                got=f"{function!r} ({error})",
                write="async def refresh(token: str, info: ConnectInfo) -> User",
                where=source_line(function),
            ) from error
