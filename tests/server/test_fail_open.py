"""Mistakes in an application never accept a client, and never block a connection for ever."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

import pytest

from bennu import (
    Channel,
    ConnectInfo,
    DefinitionError,
    Endpoint,
    Error,
    Latest,
    Ok,
    Presence,
    Refused,
    Reply,
    Socket,
    Threads,
    on,
)
from bennu.user_code.callback import Callback

from ..support.frames import crashed, error, ok
from ..support.memory import HandshakeRefused, endpoint_of, serve


async def authenticate(params: dict[str, str], info: ConnectInfo) -> str:
    """Accept clients with the password."""
    if params.get("token") != "secret":
        raise Refused("bad token")
    return "ann"


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that does not support coroutines."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Careless:
    """A callable object whose call is async."""

    def __call__(self, params: dict[str, str], info: ConnectInfo) -> Any:
        return authenticate(params, info)


WRAPPED: list[Any] = [
    lambda params, info: authenticate(params, info),  # noqa: PLW0108 - the lambda is what is tested
    logged(authenticate),
    functools.partial(logged(authenticate)),
    Careless(),
    logged(logged(authenticate)),
]


class Room(Channel):
    """A channel that returns its user. Its methods are decorated."""

    @logged
    async def join(self, payload: dict[str, Any]) -> Any:
        if payload.get("refuse"):
            raise Refused("no")
        return {"assigns": self.assigns}

    @on("event")
    @logged
    async def event(self) -> dict[str, Any]:
        return {"by": self.assigns}


@pytest.mark.parametrize("connect", WRAPPED, ids=range(len(WRAPPED)))
async def test_a_wrapper_around_an_async_connect_lets_nobody_in(connect: Any) -> None:
    """The same holds for a refresh, a join and a handler."""

    def refresh(token: str, info: Any) -> Any:
        return connect({"token": token}, info)

    endpoint = endpoint_of({"room": Room}, connect=connect, refresh=refresh, id=None)
    async with serve(endpoint) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect(params={"token": "wrong"})
        assert refused.value.status == 403
        client = await server.connect(params={"token": "secret"})
        assert await client.join("room", {"refuse": True}) == error({"reason": "no"})
        assert await client.join("room", {}) == ok({"assigns": "ann"})
        assert await client.call("room", "event") == ok({"by": "ann"})
        for token, answer in (("wrong", error({"reason": "bad token"})), ("secret", ok())):
            client.push("phoenix", "token", {"token": token}, ref="9")
            assert (await client.receive()).payload == answer


async def test_a_connect_that_returns_a_no_lets_nobody_in() -> None:
    """The error says what to write. tests/test_socket.py tries each value that can mean a no."""
    endpoint = endpoint_of({}, connect=lambda: False, id=None)
    async with serve(endpoint) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect()
        assert refused.value.status == 500
        record = server.logged("connect of /socket crashed")
        assert record.exc_info is not None or "returned" in record.getMessage()


@pytest.mark.parametrize("answer", [True, False, Reply("no", {}), Refused("no"), ValueError("no")])
async def test_a_join_that_returns_it_lets_nobody_in(answer: Any) -> None:
    """The same holds for a refresh."""

    class Lenient(Channel):
        async def join(self) -> Any:
            return answer

    options: dict[str, Any] = {"refresh": lambda token, info: answer}
    async with serve(endpoint_of({"room": Lenient}, **options)) as server:
        client = await server.connect()
        assert await client.join("room") == error({"reason": "join crashed"})
        server.logged("The join of", "returned")
        client.push("phoenix", "token", {"token": "new"}, ref="9")
        assert (await client.receive()).payload == error({"reason": "refresh crashed"})
        server.logged("The refresh of a token crashed")


def test_a_function_that_says_so_is_refused_at_start_up() -> None:
    """The annotation shows the mistake."""

    class Lenient(Channel):
        async def join(self) -> bool:
            return False

    def connect() -> bool:
        return False

    def refresh(token: str, info: Any) -> bool:
        return False

    given: list[dict[str, Any]] = [
        {"connect": connect, "channels": {}},
        {"connect": lambda: None, "refresh": refresh, "channels": {}},
        {"connect": lambda: None, "channels": {"room": Lenient}},
    ]
    for options in given:
        with pytest.raises(DefinitionError, match="returns a bool"):
            Endpoint(sockets={"/socket": Socket(**options)})


@pytest.mark.parametrize(
    "answer",
    [None, 403, (403,), ("403", b""), (403, "text"), (True, b""), (99, b""), (600, b""), [1, 2, 3]],
)
async def test_an_answer_of_another_shape_is_a_crash(answer: Any) -> None:
    """If the error_handler returns it, the client is not accepted, and gets an answer."""
    endpoint = endpoint_of({}, connect=authenticate, error_handler=lambda refused: answer, id=None)
    async with serve(endpoint) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect()
        assert refused.value.status == 500
        server.logged("The refusal of a connection to /socket crashed")


# Answers that can't be written.


class Unwritable:
    """A value that can't be encoded, such as a lazy translation, a model, or an exception."""


class Odd(Channel):
    """A channel that answers with values that JSON can't represent."""

    async def join(self, payload: dict[str, Any]) -> Any:
        match payload.get("how"):
            case "reason":
                raise Refused(Unwritable())  # type: ignore[arg-type]
            case "extra":
                raise Refused("banned", because=ValueError("x"))
            case "error":
                return Error({"because": ValueError("x")})
            case "ok":
                return Ok({"because": Unwritable()})
            case "value":
                return Unwritable()
        return None

    @on("late")
    async def late(self) -> None:
        ref = self.ref()

        async def answer() -> None:
            await ref.reply({"value": Unwritable()})

        _ = self.start(answer())


@pytest.mark.parametrize("how", ["reason", "extra", "error", "ok", "value"])
async def test_a_join_that_can_not_be_answered_is_a_crash_of_that_join(how: str) -> None:
    """The connection goes on."""
    async with serve(endpoint_of({"room": Odd})) as server:
        client = await server.connect()
        assert await client.join("room", {"how": how}) == error({"reason": "join crashed"})
        server.logged("a value that can't be sent")
        client.heartbeat("9")
        assert (await client.receive()).payload == ok()
        assert await client.join("room", {}) == ok()


async def test_a_late_reply_that_can_not_be_written_is_a_crash_of_its_channel() -> None:
    """The effect is the same as if the handler had raised."""
    async with serve(endpoint_of({"room": Odd})) as server:
        client = await server.connect()
        assert await client.join("room", {}) == ok()
        client.push("room", "late")
        await client.expect(crashed("1", "room"))
        server.logged("A task of")


async def test_a_refresh_that_can_not_be_answered_outlives_no_token() -> None:
    """It is answered as a crash, and the client can send another token."""

    def refresh(token: str, info: Any) -> None:
        raise Refused("no", because=Unwritable())

    async with serve(endpoint_of({}, refresh=refresh)) as server:
        client = await server.connect()
        for _ in range(2):
            client.push("phoenix", "token", {"token": "new"}, ref="9")
            assert (await client.receive()).payload == error({"reason": "refresh crashed"})
            server.logged("The refresh of a token")


# Nobody else holds a function of the user's.


def test_all_functions_are_held_as_callbacks() -> None:
    """So each function is called in the same way: each reference to it is a Callback, or belongs to the user."""

    def make() -> Any:
        def function(*_: Any) -> Any: ...

        return function

    names = ("id", "check_origin", "error_handler", "drain")
    given: dict[str, Any] = {name: make() for name in names}
    hooks: dict[str, Any] = {name: make() for name in ("fetch", "joined", "left", "handle_metas")}

    def connect() -> None: ...

    def refresh(token: str, info: Any) -> None: ...

    def session(info: Any) -> None: ...

    def around() -> Any: ...

    def lifespan() -> Any: ...

    socket: Socket[Any] = Socket(
        connect=connect, refresh=refresh, session=session, check_csrf=False, channels={}, **given
    )
    handler: Any = make()
    endpoint = Endpoint(
        sockets={"/socket": socket},
        lifespan=lifespan,
        presence=Presence(**hooks),
        threads=Threads(around=around),
    )
    endpoint.telemetry.attach(handler)
    functions = [*given.values(), *hooks.values(), connect, refresh, session, around, lifespan]
    for function in (*functions, handler):
        holders = [one for one in gc.get_referrers(function) if type(one).__module__[:5] == "bennu"]
        assert holders, function
        assert {type(one) for one in holders} == {Callback}, function


def test_a_key_of_latest_is_held_as_one_too() -> None:
    """The policy object itself belongs to the user."""

    def key(event: str, payload: Any) -> str:
        return event

    class Prices(Channel):
        when_slow = Latest(key=key)

    socket: Socket[Any] = Socket(connect=lambda: None, channels={"prices": Prices})
    endpoint = Endpoint(sockets={"/socket": socket})
    holders = [one for one in gc.get_referrers(key) if type(one).__module__[:5] == "bennu"]
    assert {type(one) for one in holders} == {Callback, Latest}
    del endpoint
