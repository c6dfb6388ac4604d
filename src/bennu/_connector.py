"""The user's ``connect`` and ``refresh``, and what they want to be called with."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from ._callback import Callback, Threads, call_now
from ._functions import refuse_bool
from ._payload import InvalidPayload, check_type, convert
from .connect_info import ConnectInfo
from .errors import CallbackError, DefinitionError, Refused, source_line
from .message import Error, Reply
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


_REFUSE = "raise Refused(reason) for a client that may not connect"


def check_assigns(callback: Callback, assigns: Any) -> None:
    """Refuse what no connection can have for its assigns, since it is meant as a no.

    Raises:
        CallbackError: It is such a thing.
    """
    if isinstance(assigns, bool | BaseException | Error | Reply):
        raise CallbackError(
            f"{callback.subject}: {callback.name} returned {assigns!r}: expected the assigns of the"
            f" connection; to refuse a client, write `raise Refused(reason)`"
        )


class Connector(Generic[A]):
    """The user's ``connect``, and what it wants to be called with."""

    __slots__ = ("_annotation", "_parameters", "callback")

    def __init__(self, function: Connect[A]) -> None:
        if not callable(function):
            raise DefinitionError(
                "Socket(connect=...)",
                expected="a function that returns the assigns",
                got=repr(function),
                write="async def connect(params: ConnectParams) -> User",
            )
        refuse_bool("Socket(connect=...)", function, write=_REFUSE)
        self.callback = Callback("Socket(connect=...)", function)
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
                where=source_line(self.callback.function),
            )
        if parameters:
            annotation = parameters[0].annotation
            self._annotation = Any if annotation is inspect.Parameter.empty else annotation
            check_type(
                self._annotation,
                subject="Socket(connect=...) takes params of a type",
                where=source_line(self.callback.function),
            )

    def _read_signature(self) -> list[inspect.Parameter]:
        try:
            signature = inspect.signature(self.callback.function, eval_str=True)
        except ValueError as error:
            raise DefinitionError(
                "Socket(connect=...)",
                expected="a function whose parameters can be read",
                got=repr(self.callback.function),
                write="connect=lambda params: ...",
            ) from error
        except (NameError, AttributeError, TypeError, SyntaxError) as error:
            raise DefinitionError(
                "an annotation of Socket(connect=...) can't be resolved",
                expected="a type that the module knows at run time",
                got=str(error),
                write="import it outside of `if TYPE_CHECKING`, or define it at the top level",
                where=source_line(self.callback.function),
            ) from error
        return list(signature.parameters.values())

    async def ask(self, threads: Threads, params: dict[str, Any], info: ConnectInfo) -> Any:
        """Return the assigns of a client.

        Raises:
            Refused: The client may not connect, or its parameters don't fit their type.
            CallbackError: It returned what can't be assigns.
            Exception: Whatever it raised.
        """
        arguments = call_now("the type of the params", self.arguments, params, info)
        assigns = await self.callback.ask(threads, *arguments)
        check_assigns(self.callback, assigns)
        return assigns

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

    __slots__ = ("callback",)

    def __init__(self, function: Refresh[Any]) -> None:
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
        refuse_bool("Socket(refresh=...)", function, write=_REFUSE)
        self.callback = Callback("Socket(refresh=...)", function)

    async def ask(self, threads: Threads, token: str, info: ConnectInfo) -> Any:
        """Return the assigns that a new token has, or None if they stay.

        Raises:
            Refused: The token is not accepted.
            CallbackError: It returned what can't be assigns.
            Exception: Whatever it raised.
        """
        assigns = await self.callback.ask(threads, token, info)
        check_assigns(self.callback, assigns)
        return assigns
