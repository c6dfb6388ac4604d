"""The signatures and annotations of user functions: mistakes are found at start-up."""

from __future__ import annotations

import abc
import collections
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Generic

import pytest
from asgiref.sync import sync_to_async
from fastapi import Depends, HTTPException
from msgspec import Struct
from typing_extensions import TypeVar

from bennu import (
    Channel,
    DefinitionError,
    Endpoint,
    Ok,
    RawHandler,
    Socket,
    on,
    on_info,
    on_out,
)
from bennu.user_code.signatures import bind_variables, hint_of

from ..support.definitions import refused
from ..support.frames import PHX_ERROR, error, ok
from ..support.memory import endpoint_of, serve

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")
D = TypeVar("D", default=int)
B = TypeVar("B", bound=Struct)


class Msg(Struct):
    body: str


# Parameters of handlers.


class KeywordOnly(Channel[Any]):
    @on("x")  # type: ignore[type-var]
    async def x(self, *, payload: dict[str, Any]) -> None: ...


class Keywords(Channel[Any]):
    @on("x")
    async def x(self, **payload: Any) -> None: ...


class Positions(Channel[Any]):
    @on("x")
    async def x(self, *payload: Any) -> None: ...


class JoinKeywords(Channel[Any]):
    async def join(self, payload: dict[str, Any], *, db: Any) -> None: ...


class OutKeywords(Channel[Any]):
    @on_out("x")  # type: ignore[type-var]
    async def x(self, *, payload: Any) -> None: ...


class InfoKeywords(Channel[Any]):
    @on_info(Msg)  # type: ignore[arg-type]
    async def x(self, **message: Any) -> None: ...


class TerminateKeywords(Channel[Any]):
    async def terminate(self, *, reason: Any) -> None: ...  # type: ignore[override]


class NoSelf(Channel[Any]):
    @on("x")
    async def x(payload: dict[str, Any]) -> None: ...  # type: ignore[misc]  # noqa: N805 - that is the point


class NoSelfUntyped(Channel[Any]):
    @on("x")
    async def x(payload) -> None: ...  # noqa: N805 - the mistake that is tested


class NothingAtAll(Channel[Any]):
    @on("x")  # type: ignore[type-var]
    async def x() -> None: ...  # type: ignore[misc]


class Asking(Channel[Any]):
    @on("x")
    async def x(self, payload: dict[str, Any] = Depends(dict)) -> None: ...  # noqa: B008


class AskingMore(Channel[Any]):
    @on("x")
    async def x(self, payload: dict[str, Any], db: Any = Depends(dict)) -> None: ...  # noqa: B008


@pytest.mark.parametrize(
    ("channel", "got"),
    [
        (KeywordOnly, "payload: 'dict[str, Any]' (keyword-only)"),
        (Keywords, "**payload: 'Any' (all other keyword arguments)"),
        (Positions, "*payload: 'Any' (all other positional arguments)"),
        (JoinKeywords, "db: 'Any' (keyword-only)"),
        (OutKeywords, "payload: 'Any' (keyword-only)"),
        (InfoKeywords, "**message: 'Any' (all other keyword arguments)"),
        (TerminateKeywords, "reason: 'Any' (keyword-only)"),
        (NoSelf, "(payload: 'dict[str, Any]')"),
        (NoSelfUntyped, "(payload)"),
        (NothingAtAll, "()"),
        (Asking, "payload=Depends(...)"),
        (AskingMore, "db=Depends(...)"),
    ],
)
def test_parameters_that_nobody_would_fill_are_refused(channel: Any, got: str) -> None:
    """Parameters that Bennu does not fill are refused at start-up, with the form that works."""
    found = refused(channel)

    assert found.got == got
    assert found.where is not None


def test_a_decorator_with_parameters_of_its_own_says_which_function_it_wraps() -> None:
    """With functools.wraps the parameters of the wrapped function count."""

    def wrapping(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            return await function(self, *args, **kwargs)

        return wrapper

    def bare(function: Any) -> Any:
        async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            return await function(self, *args, **kwargs)

        return wrapper

    class Good(Channel[Any]):
        @on("under")
        @wrapping
        async def under(self, payload: Msg) -> None: ...

        @wrapping
        @on("above")
        async def above(self, payload: Msg) -> None: ...

    Endpoint({"/s": Socket(connect=lambda: None, channels={"room": Good})})

    class Bare(Channel[Any]):
        @on("x")
        @bare
        async def x(self, payload: Msg) -> None: ...

    assert "@functools.wraps(function)" in refused(Bare).write
    with pytest.raises(DefinitionError, match="a decorator above @on hides it"):

        class Hidden(Channel[Any]):
            @bare
            @on("x")
            async def x(self, payload: Msg) -> None: ...


@pytest.mark.parametrize("kind", [staticmethod, classmethod, property])
@pytest.mark.parametrize("is_above", [True, False])
def test_a_handler_is_a_method(kind: Any, is_above: bool) -> None:
    """A handler is neither a static method nor a class method, for each order of decorators."""

    async def x(self: Any, payload: Msg) -> None: ...

    def make() -> None:
        type("Room", (Channel,), {"x": kind(on("x")(x)) if is_above else on("x")(kind(x))})

    with pytest.raises(DefinitionError) as raised:
        make()

    assert kind.__name__ in raised.value.got


def test_a_generator_is_no_handler() -> None:
    """A generator or an async generator is refused."""

    class Generating(Channel[Any]):
        @on("x")
        async def x(self, payload: Msg) -> Any:
            yield payload

    assert "generator" in refused(Generating).subject


# Classes.


def test_a_channel_is_made_without_arguments() -> None:
    """A channel class whose ``__init__`` takes arguments is refused."""

    class Init(Channel[Any]):
        def __init__(self, db: Any) -> None: ...

    class New(Channel[Any]):
        def __new__(cls, db: Any) -> Any: ...

    class Fine(Channel[Any]):
        def __init__(self, size: int = 5) -> None: ...

    @dataclasses.dataclass
    class Data(Channel[Any]):
        room_id: int = 5

    class Abstract(Channel[Any], abc.ABC):
        @abc.abstractmethod
        async def name(self) -> str: ...

    class RawInit(RawHandler[Any]):
        def __init__(self, db: Any) -> None: ...

        async def receive(self, message: Any) -> None: ...

    assert "self.state" in refused(Init).write
    assert "takes arguments" in refused(New).subject
    assert refused(Data, "room:{room_id}").subject.endswith("Data is a dataclass")
    assert refused(Abstract).got == "no name"
    Endpoint({"/s": Socket(connect=lambda: None, channels={"r": Fine})})
    from bennu import RawSocket

    with pytest.raises(DefinitionError, match="takes arguments"):
        Endpoint({"/r": RawSocket(connect=lambda: None, handler=RawInit)})


@pytest.mark.parametrize(
    "value",
    [collections.deque(), collections.defaultdict(list), collections.Counter(), bytearray(), set()],
    ids=lambda value: type(value).__name__,
)
def test_what_all_clients_would_share_is_refused(value: Any) -> None:
    """A default that all clients would share is refused, for each kind of collection."""
    with pytest.raises(DefinitionError, match="for all clients"):
        type("Room", (Channel,), {"queue": value})


# Annotations.


class Unneeded(Channel[Any]):
    room_id: int
    total: Decimal

    @on("x")
    async def x(self, payload: Msg) -> Decimal: ...  # type: ignore[empty-body]


async def _connect_unneeded(params: Msg) -> Decimal: ...  # type: ignore[empty-body]


def test_annotations_that_nobody_needs_need_not_resolve() -> None:
    """The annotation of a result, or of an attribute that is no parameter of the topic, need not be resolvable."""
    Endpoint({"/s": Socket(connect=_connect_unneeded, channels={"r:{room_id}": Unneeded})})


def _takes_msg(params: Msg) -> None: ...


def test_the_annotation_of_whatever_can_be_called_is_found() -> None:
    """The annotation is found for a method, a partial, an object and a class."""

    class Callable_:  # noqa: N801 - a name that is free
        def __call__(self, params: Msg) -> None: ...

        def method(self, params: Msg) -> None: ...

    class Made:
        def __init__(self, params: Msg) -> None: ...

    for function in (
        Callable_(),
        Callable_().method,
        functools.partial(Callable_().method),
        functools.cache(_takes_msg),
        sync_to_async(_takes_msg),
        Made,
        _connect_unneeded,
    ):
        assert hint_of(function, "params") is Msg
    assert hint_of(lambda params: None, "params") is None
    assert hint_of(getattr, "params") is None


# Type variables.


class Base(Channel[Any], Generic[T]):
    room: T

    async def join(self, payload: T) -> Any:
        return payload

    @on("one")
    async def one(self, payload: T) -> Any:
        return payload

    @on("many")
    async def many(self, payload: list[T] | None) -> Any:
        return payload


class Room(Base[Msg]):
    pass


class Between(Base[list[T]], Generic[T]):
    pass


class Deep(Between[int]):
    pass


class WithDefault(Channel[Any], Generic[D]):
    @on("one")
    async def one(self, payload: D) -> Any:
        return payload


class WithBound(Channel[Any], Generic[B]):
    @on("one")
    async def one(self, payload: B) -> Any: ...


async def test_a_generic_base_knows_what_its_variable_stands_for() -> None:
    """A type variable is resolved in a join, an event, inside of other types and through several bases."""
    async with serve(endpoint_of({"room": Room, "deep": Deep, "default": WithDefault})) as server:
        client = await server.connect()
        assert (await client.join("room", {"body": 5}))["status"] == "error"
        assert await client.join("room", {"body": "x"}) == ok({"body": "x"})
        assert await client.call("room", "many", [{"body": "x"}]) == ok([{"body": "x"}])
        assert (await client.call("room", "one", 5))["status"] == "error"
        assert await client.join("deep", [1]) == ok([1])
        assert await client.call("deep", "many", [[1]]) == ok([[1]])
        await client.join("default")
        assert await client.call("default", "one", 5) == ok(5)


def test_a_variable_that_stands_for_nothing_is_refused() -> None:
    """A type variable without a type is refused, unless it has a bound or a default."""
    assert refused(Base).write == "class Base(Base[NewMsg])"
    assert bind_variables(B, WithBound, WithBound, where=None) is Struct
    assert bind_variables(D, WithDefault, WithDefault, where=None) is int
    assert bind_variables(int, Room, Base, where=None) is int
    assert bind_variables(list[T], Room, Base, where=None) == list[Msg]  # type: ignore[valid-type]


def test_a_parameter_of_the_topic_may_have_a_variable_for_its_type() -> None:
    """The subclass gives the type of the variable."""

    class Numbered(Channel[Any], Generic[T]):
        number: T

    class Seven(Numbered[int]):
        pass

    socket: Any = Socket(connect=lambda: None, channels={"n:{number}": Seven})
    Endpoint({"/s": socket})
    assert socket.table.resolve("n:7")[1] == {"number": 7}


# Other frameworks' exceptions.


async def test_an_http_exception_is_a_crash_whose_log_says_what_to_write() -> None:
    """The log says what to write, for an exception in a join, a handler and a connect."""

    class Wrong(Channel[Any]):
        async def join(self, payload: dict[str, Any]) -> None:
            if payload:
                raise HTTPException(403)

        @on("x")
        async def x(self) -> Ok:
            raise HTTPException(404)

    async with serve(endpoint_of({"room": Wrong})) as server:
        client = await server.connect()
        assert await client.join("room", {"a": 1}) == error({"reason": "join crashed"})
        notes = [server.logged("join").exc_info]
        await client.join("room", {})
        client.push("room", "x")
        assert (await client.receive()).event == PHX_ERROR
        notes.append(server.logged("crashed").exc_info)

    for one in notes:
        assert one is not None
        assert one[1] is not None
        assert 'raise bennu.Refused("reason")' in one[1].__notes__[0]
