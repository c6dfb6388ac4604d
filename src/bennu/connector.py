"""Calls the user's ``connect`` and ``refresh`` with the arguments that their signatures ask for."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, NotImplementedType
from typing import Any, Final, Generic, Literal, TypeVar, cast, get_args

from .connect_info import ConnectInfo
from .errors import CallbackError, DefinitionError, Refused, source_line
from .logs.printable import described
from .message import Error, Reply
from .reasons import Reason
from .user_code.callback import Callback, Workers, call_now
from .user_code.converter import Converter, converter_for
from .user_code.fields import MISSING
from .user_code.functions import is_response, refuse_bool
from .user_code.invalid_payload import InvalidPayload
from .user_code.signatures import check_parameters, hint_of
from .user_code.types import is_object

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


_NO_ASSIGNS: Final = (
    bool,
    BaseException,
    Error,
    Reply,
    NotImplementedType,
    partial,
    FunctionType,
    MethodType,
    BuiltinFunctionType,
)

_NO_CLASSES: Final = (BaseException, Error, Reply)


def check_assigns(callback: Callback, assigns: Any) -> None:
    """Refuse a value that can't be assigns: the author meant a refusal with it, or forgot to call a function.

    Args:
        callback: The function that returned the value.
        assigns: The value.

    Raises:
        CallbackError: The value is a bool, an exception or its class, a function, or a framework's response.
    """
    if (
        isinstance(assigns, _NO_ASSIGNS)
        or (isinstance(assigns, type) and issubclass(assigns, _NO_CLASSES))
        or is_response(cast("object", assigns))
    ):
        raise CallbackError(
            f"{callback.subject}: {callback.name} returned {described(cast('object', assigns))}: expected the assigns of the"
            f" connection; to refuse a client, write `raise Refused(reason)`"
        )


class Connector(Generic[A]):
    """Calls the user's ``connect`` with the parameters and the info, as its signature asks for.

    Args:
        function: The user's ``connect``.

    Attributes:
        callback: The function.
        params: The type of the parameters; ``Any`` if it is not annotated, ``MISSING`` if the function takes none.

    Raises:
        DefinitionError: It is no function, or returns a bool.
    """

    __slots__ = ("_convert", "_reserved", "_roles", "callback", "params")

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
        self._roles: list[tuple[Role, inspect.Parameter]] = []
        self._reserved: frozenset[str] = frozenset()
        self._convert: Converter | None = None
        self.params: Any = MISSING

    def define(self, reserved: Iterable[str] = ()) -> None:
        """Read the signature of ``connect``.

        Args:
            reserved: Names of query parameters that Bennu itself reads. A type that forbids unknown fields need
                not have fields for them.

        Raises:
            DefinitionError: The signature has parameters that Bennu can't fill.
        """
        function = self.callback.function
        self._reserved = frozenset(reserved)
        self._roles = _roles_of(function)
        parameter = next((one for role, one in self._roles if role == "params"), None)
        if parameter is None:
            return
        self.params = Any
        if parameter.annotation is _MISSING:
            return
        self.params = annotation = hint_of(function, parameter.name)
        if annotation in (Any, object):
            return
        where = source_line(function)
        self._convert = converter_for(
            annotation, subject="Socket(connect=...) takes params of a type", where=where
        )
        if not is_object(annotation):
            raise _one_parameter_each(function, parameter)

    async def call(self, workers: Workers, params: dict[str, Any], info: ConnectInfo) -> Any:
        """Call ``connect`` and return the assigns of a client.

        Args:
            workers: The worker threads for a plain function.
            params: The parameters of the query.
            info: The request.

        Raises:
            Refused: ``connect`` refused the client, or the parameters don't fit their type.
            CallbackError: ``connect`` returned a value that can't be assigns.
            Exception: ``connect`` raised it.
        """
        arguments: tuple[Any, ...] = ()
        if self._convert is not None:
            arguments = call_now("the type of the params", self.arguments, params, info)
        elif self._roles:
            arguments = self.arguments(params, info)
        assigns = await self.callback.call(workers, *arguments)
        if assigns is not None:
            check_assigns(self.callback, assigns)
        return assigns

    def arguments(self, params: dict[str, Any], info: ConnectInfo) -> tuple[Any, ...]:
        """Return the arguments for ``connect``.

        Raises:
            Refused: The parameters don't fit their type.
        """
        return tuple(
            info if role == "info" else self._typed(params, info) for role, _ in self._roles
        )

    def _typed(self, params: dict[str, Any], info: ConnectInfo) -> Any:
        if self._convert is None:
            return params
        try:
            return self._convert(params)
        except InvalidPayload as error:
            reserved = self._reserved | (
                _OF_POLLS if info.transport == "longpoll" else frozenset[str]()
            )
            own = {name: value for name, value in params.items() if name not in reserved}
            if len(own) < len(params):
                with suppress(InvalidPayload):
                    return self._convert(own)
            raise Refused(Reason.INVALID_PARAMS.text, errors=error.errors) from error


_MISSING: Final = inspect.Parameter.empty

_OF_POLLS: Final = frozenset({"token"})
"""Query parameters that a client library adds for long polling."""

Role = Literal["params", "info"]


def _roles_of(function: Callable[..., Any]) -> list[tuple[Role, inspect.Parameter]]:
    """Return each parameter of a ``connect``, and whether it takes the params or the info."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError as error:
        raise DefinitionError(
            "Socket(connect=...)",
            expected="a function whose parameters can be read",
            got=repr(function),
            write="connect=lambda params: ...",
        ) from error
    if isinstance(function, partial):
        bound = cast("partial[Any]", function).keywords
        function = cast("Callable[..., Any]", function)
        parameters = [one for one in parameters if one.name not in bound]
    check_parameters("Socket(connect=...)", function, parameters)
    if len(parameters) > 2:
        if any(is_own(one) for one in parameters):
            raise _one_parameter_each(function, parameters[0])
        raise DefinitionError(
            "Socket(connect=...)",
            expected="at most (params, info)",
            got=f"({', '.join(parameter.name for parameter in parameters)})",
            write="async def connect(params: ConnectParams, info: ConnectInfo) -> User",
            where=source_line(function),
        )
    roles: list[tuple[Role, inspect.Parameter]] = []
    for parameter in parameters:
        role: Role = "info" if _takes_info(function, parameter, parameters) else "params"
        roles.append((role, parameter))
    if [role for role, _ in roles] in (["params"] * 2, ["info"] * 2):
        raise _one_parameter_each(function, parameters[0])
    return roles


def is_own(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter looks like a single query parameter: its annotation is a scalar type."""
    return parameter.annotation in (str, int, float, bool, "str", "int", "float", "bool")


def _takes_info(
    function: Callable[..., Any],
    parameter: inspect.Parameter,
    parameters: Sequence[inspect.Parameter],
) -> bool:
    if parameter.annotation is _MISSING:
        if len(parameters) == 2:
            other = parameters[parameter is parameters[0]]
            if other.annotation is not _MISSING and not is_own(other):
                return not _is_info(hint_of(function, other.name))
            return parameter is parameters[1]
        return parameter.name == "info"
    return _is_info(hint_of(function, parameter.name))


def _is_info(annotation: Any) -> bool:
    return annotation is ConnectInfo or ConnectInfo in get_args(annotation)


def _one_parameter_each(
    function: Callable[..., Any], parameter: inspect.Parameter
) -> DefinitionError:
    kind = parameter.annotation
    shown = "str" if kind is _MISSING else getattr(kind, "__name__", str(kind))
    return DefinitionError(
        "Socket(connect=...)",
        expected="params, whose type names the parameters of the query, and info",
        got=str(inspect.signature(function)),
        write=f"class ConnectParams(Struct): {parameter.name}: {shown}"
        "   and   async def connect(params: ConnectParams, info: ConnectInfo) -> User",
        where=source_line(function),
    )


class Refresher:
    """Calls the user's ``refresh`` with a new token for an open connection.

    Args:
        function: The user's ``refresh``.

    Raises:
        DefinitionError: The function can't be called with a token and an info, or returns a bool.
    """

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

    async def call(self, workers: Workers, token: str, info: ConnectInfo) -> Any:
        """Call ``refresh`` and return the new assigns; None if the assigns stay the same.

        Args:
            workers: The worker threads for a plain function.
            token: The new token.
            info: A copy of the connection's info, for the new token.

        Raises:
            Refused: ``refresh`` refused the token.
            CallbackError: ``refresh`` returned a value that can't be assigns.
            Exception: ``refresh`` raised it.
        """
        assigns = await self.callback.call(workers, token, info)
        check_assigns(self.callback, assigns)
        return assigns
