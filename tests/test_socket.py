"""The socket: its connect, the channel of a topic, and mistakes in its options."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, cast

import pydantic
import pytest
from msgspec import Struct
from starlette.responses import JSONResponse, Response

from bennu import Channel, ConnectInfo, Error, LongPoll, Ok, Refused, Socket
from bennu.connector import Refresher
from bennu.errors import CallbackError, DefinitionError
from bennu.protocol.origin import Origin, Requested

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheChecker


class Params(Struct):
    """The parameters of a connect."""

    token: str
    page: int = 1


class Model(pydantic.BaseModel):
    """The same parameters as a pydantic model."""

    page: int


class Room(Channel):
    """A channel."""

    room_id: int


class Lobby(Channel):
    """Another channel."""


INFO = ConnectInfo({"path": "/", "headers": []}, transport="websocket")


def socket(connect: Any = lambda: None, **options: Any) -> Socket[Any]:
    """Return a socket."""
    return Socket(connect=connect, channels=options.pop("channels", {"lobby": Lobby}), **options)


def arguments(connect: Any, params: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """Return the arguments that connect gets for these parameters."""
    made = socket(connect)
    made.define()
    return made.connector.arguments(params or {}, INFO)


async def connect_with_both(params: Params, info: ConnectInfo) -> str:
    """Take the parameters and the info."""
    return f"{params} {info}"


def connect_untyped(params, info):  # type: ignore[no-untyped-def]
    """Take the parameters without a type."""
    return params, info


class Authenticator:
    """A callable object with a connect."""

    async def __call__(self, params: Params) -> str:
        return params.token

    async def method(self, params: Params) -> str:
        return params.token


def test_the_options_have_the_defaults_of_phoenix() -> None:
    """The defaults are a minute of silence, a hundred channels, and ten million bytes."""
    made = socket()

    assert (made.timeout, made.max_channels, made.max_frame_size) == (60.0, 100, 10_000_000)
    assert (made.path, made.auth_token, made.log) == ("websocket", False, True)
    assert (made.id, made.error_handler, made.origin_check) == (None, None, None)
    assert made.join_timeout == 10.0
    assert made.deflate is None


@pytest.mark.conformance("SK001", "SK002")
def test_a_topic_leads_to_the_first_channel_whose_pattern_matches() -> None:
    """The topic's parameters are typed. An unmatched topic has no channel."""
    made = socket(channels={"room:{room_id}": Room, "room:*": Lobby})
    made.define()

    first, parameters = made.table.resolve("room:7") or (None, None)
    assert first is not None
    assert (first.channel, parameters) == (Room, {"room_id": 7})
    second, parameters = made.table.resolve("room:007") or (None, None)
    assert second is not None
    assert (second.channel, parameters) == (Lobby, {})
    assert made.table.resolve("other") is None


def test_channels_are_read_when_the_endpoint_is_made_and_not_before() -> None:
    """Two modules can name each other's classes, because channels are read when the endpoint is made."""
    made = socket(channels={"room:{other}": Room})

    with pytest.raises(DefinitionError, match="'other'"):
        made.define()


# Connect.


def test_connect_gets_what_it_asks_for() -> None:
    """It gets nothing, the parameters, or the parameters and the info."""
    params = {"token": "x", "page": "3"}

    assert arguments(lambda: None, params) == ()
    assert arguments(connect_untyped, params) == (params, INFO)
    assert arguments(functools.partial(connect_with_both, info=INFO), params)[0] == Params("x", 3)
    assert arguments(connect_with_both, params) == (Params("x", 3), INFO)


def test_parameters_without_an_annotation_come_as_they_are() -> None:
    """Without a type they are text, dicts and lists; ``Any`` and ``dict[str, Any]`` mean the same."""
    params = {"a": {"b": ["1"]}}

    def any_of_it(params: Any) -> None: ...
    def a_dict(params: dict[str, Any]) -> None: ...

    for connect in (lambda params: None, any_of_it, a_dict):
        assert arguments(connect, params) == (params,)


def test_parameters_may_be_a_model() -> None:
    """The type of the parameters can be a pydantic model."""

    def connect(params: Model) -> None: ...

    assert arguments(connect, {"page": "3"}) == (Model(page=3),)


def test_parameters_that_do_not_fit_refuse_the_connect() -> None:
    """The refusal has the mistakes, for an error_handler that shows them."""
    with pytest.raises(Refused) as raised:
        arguments(connect_with_both, {"page": "x"})

    assert raised.value.reason == "invalid_params"
    assert raised.value.extra["errors"][0]["path"] in {"", "page"}


@pytest.mark.parametrize(
    ("connect", "is_async"),
    [
        (connect_with_both, True),
        (connect_untyped, False),
        (lambda: None, False),
        (functools.partial(connect_with_both, info=INFO), True),
        (Authenticator(), True),
        (Authenticator().method, True),
        (Authenticator, False),
    ],
)
def test_an_async_connect_is_known_whatever_kind_of_callable_it_is(
    connect: Any, is_async: bool
) -> None:
    """An async function is found behind any kind of callable. All other functions run in a thread."""
    assert socket(connect).connector.callback.is_async is is_async


NO_ASSIGNS = [
    *[True, False, NotImplemented, Refused("no"), Refused, ValueError, Error({}), Error],
    *[JSONResponse({}, 403), Response("no"), lambda: "never called", len, Authenticator().method],
    functools.partial(print),
]


@pytest.mark.parametrize("value", NO_ASSIGNS, ids=range(len(NO_ASSIGNS)))
async def test_what_is_meant_as_a_no_lets_nobody_in(value: Any) -> None:
    """A result that is meant as a refusal is refused, and so is a function, or a web framework's response."""

    async def connect() -> Any:
        return value

    async def answer(token: str, info: ConnectInfo) -> Any:
        return value

    workers = cast("Any", None)
    with pytest.raises(CallbackError, match="raise Refused"):
        await socket(connect).connector.call(workers, {}, INFO)
    with pytest.raises(CallbackError, match="raise Refused"):
        await Refresher(answer).call(workers, "token", INFO)


@pytest.mark.parametrize("value", [None, 0, "", {}, Params, Params("ann"), Ok()], ids=str)
async def test_anything_else_is_the_assigns(value: Any) -> None:
    """Any other value is the assigns, also a false one."""

    async def connect() -> Any:
        return value

    taken = socket(connect)
    taken.define()
    assert await taken.connector.call(cast("Any", None), {}, INFO) is value


@pytest.mark.parametrize("connect", [Authenticator(), Authenticator().method])
def test_the_annotation_of_a_callable_object_counts(connect: Any) -> None:
    """The annotation of a callable object's ``__call__`` is used."""
    assert arguments(connect, {"token": "x"}) == (Params("x"),)


@pytest.mark.parametrize("connect", [None, 5, "authenticate"])
def test_a_connect_that_can_not_be_called_is_refused(connect: Any) -> None:
    """A connect that can't be called is refused when the socket is made."""
    with pytest.raises(DefinitionError) as raised:
        socket(connect)

    assert raised.value.got == repr(connect)


def refused(connect: Any) -> DefinitionError:
    """Return the error for a connect."""
    with pytest.raises(DefinitionError) as raised:
        socket(connect).define()
    return raised.value


def test_a_connect_whose_parameters_nobody_can_read_is_refused() -> None:
    """Some builtins have no readable signature."""
    error = refused(getattr)
    assert error.got == repr(getattr)
    assert error.write == "connect=lambda params: ..."


def test_a_connect_with_more_parameters_is_refused() -> None:
    """A connect with more than two parameters is refused."""

    def connect(params: Any, info: Any, more: Any) -> None: ...

    error = refused(connect)

    assert error.got == "(params, info, more)"
    assert error.where == f"{__file__}:{connect.__code__.co_firstlineno}"


def test_a_connect_whose_annotation_is_not_there_at_run_time_is_refused() -> None:
    """A type that is imported only for the type checker is refused."""

    def connect(params: OnlyForTheChecker) -> None: ...

    error = refused(connect)

    assert error.got == "name 'OnlyForTheChecker' is not defined"
    assert error.where == f"{__file__}:{connect.__code__.co_firstlineno}"


def test_a_connect_whose_parameters_text_can_not_become_is_refused() -> None:
    """A type that the query can't become is refused when the endpoint is made."""

    def connect(params: Lobby) -> None: ...

    error = refused(connect)

    assert error.subject == "Socket(connect=...) takes params of a type that JSON can't become"
    assert error.where == f"{__file__}:{connect.__code__.co_firstlineno}"


# The id.


async def test_the_id_is_made_of_the_assigns() -> None:
    """The id is text, or None for a connection without id. Without a function it is None."""

    async def later(user: int) -> str:
        return f"users:{user}"

    assert await socket(id=lambda user: f"users:{user}").id_of(7) == "users:7"
    assert await socket(id=later).id_of(7) == "users:7"
    assert await socket(id=lambda user: None).id_of(7) is None
    assert await socket().id_of(7) is None


@pytest.mark.parametrize("name", [7, b"users:7", ["users:7"], False])
async def test_an_id_of_another_kind_refuses_the_connect(
    name: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An id of another type refuses the connect, and is logged."""
    with pytest.raises(Refused, match="invalid id"):
        await socket(id=lambda user: name).id_of(7)

    assert caplog.record_tuples == [
        (
            "bennu",
            logging.WARNING,
            f"Socket.id returned {name!r}: expected a str or None; the connect is refused",
        )
    ]


# Other options.


@pytest.mark.conformance("OR023")
def test_without_subprotocols_nothing_is_checked() -> None:
    """None means no check. With an empty list no offered subprotocol fits."""
    assert socket().subprotocols is None
    assert socket(subprotocols=[]).subprotocols == ()


def test_subprotocols_keep_their_order_and_phoenix_goes_first_with_a_token() -> None:
    """A browser refuses a handshake in which no offered subprotocol is chosen."""
    assert socket(subprotocols=["b", "a"]).subprotocols == ("b", "a")
    assert socket(auth_token=True).subprotocols == ("phoenix",)
    assert socket(auth_token=True, subprotocols=["a"]).subprotocols == ("phoenix", "a")


@pytest.mark.conformance("OR027")
def test_a_bare_string_is_no_list_of_subprotocols() -> None:
    """A text instead of a list is refused at start-up. Phoenix would answer each client with 403."""
    with pytest.raises(DefinitionError) as raised:
        socket(subprotocols="a")

    assert raised.value.write == "subprotocols=['a']"


@pytest.mark.conformance("WS054")
@pytest.mark.conformance("WS055")
def test_long_polling_takes_its_own_options_only() -> None:
    """A drain is an option of the socket, for all of its transports."""
    wrong: Any = {"drainer": False}
    with pytest.raises(TypeError, match="drainer"):
        LongPoll(**wrong)
    with pytest.raises(DefinitionError, match="longpoll=LongPoll"):
        Socket(connect=lambda: None, channels={}, longpoll=wrong)


def test_an_unknown_option_is_an_error_at_definition() -> None:
    """An unknown option raises an error, as everywhere in Python."""
    with pytest.raises(TypeError, match="window_ms"):
        socket(window_ms=5)


@pytest.mark.parametrize("value", [0, -1, -0.5])
@pytest.mark.parametrize("name", ["timeout", "join_timeout", "max_channels", "max_frame_size"])
def test_a_limit_is_above_zero(name: str, value: float) -> None:
    """Each limit must be above zero."""
    with pytest.raises(DefinitionError) as raised:
        socket(**{name: value})

    assert raised.value.subject == f"Socket({name}=...)"
    assert raised.value.got == repr(value)


async def test_the_origins_of_a_socket_are_compiled_when_it_is_made() -> None:
    """A mistake in the origins is found when the socket is made."""
    check = socket(check_origin=["//a.org"]).origin_check

    assert check is not None
    assert await check.fits(Origin.parse("https://a.org"), Requested("http", "b.org", 80))
    with pytest.raises(DefinitionError, match="check_origin"):
        socket(check_origin=["a.org"])
