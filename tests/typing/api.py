"""The types that a user's editor shows, and the mistakes that it marks.

Each ignore below must be needed: both checkers report an unnecessary ignore.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from dataclasses import dataclass, replace
from typing import Any, assert_type

from msgspec import Struct

from bennu import (
    Channel,
    ConnectInfo,
    Connection,
    Endpoint,
    History,
    HistoryEntry,
    HistoryPage,
    Position,
    RawHandler,
    RawSocket,
    ReplyRef,
    Socket,
    on,
    on_info,
)
from bennu.auth.jwt import JWTConnect
from bennu.auth.session import StarletteSession
from bennu.telemetry import ChannelJoined, Event, SocketClosed


@dataclass(frozen=True)
class User:
    id: int
    name: str


class Params(Struct):
    token: str


@dataclass
class State:
    greeting: str


class NewMsg(Struct):
    body: str


class Room(Channel[User, State]):
    history = History(size=100)

    room_id: int

    async def join(self, payload: NewMsg) -> dict[str, str]:
        assert_type(self.assigns, User)
        assert_type(self.state, State)
        assert_type(self.topic, str)
        assert_type(self.connection, Connection)
        assert_type(self.connection.id, str | None)
        assert_type(self.connection.info, ConnectInfo)
        self.assigns = replace(self.assigns, name="ann")
        return {"greeting": self.state.greeting + payload.body}

    @on("new_msg")
    async def new_msg(self, msg: NewMsg) -> NewMsg:
        assert_type(self.ref(), ReplyRef)
        await self.broadcast("new_msg", msg)
        assert self.assigns.nick  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        return msg

    @on("slow")
    def slow(self) -> None:
        self.sync.push("slow", {"number": self.room_id})
        assert_type(self.sync.history(limit=1)[0], HistoryEntry)

    @on("older")
    async def older(self) -> list[str]:
        page = await self.history(before="17:k3", limit=50)
        assert_type(page, HistoryPage)
        assert_type(page[0].position, Position)
        await self.history(limit="50")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        return [entry.event for entry in page]

    @on_info(NewMsg)
    async def info(self, message: NewMsg) -> None:
        await self.push("info", message)


class Echo(RawHandler[User, State]):
    async def opened(self) -> str:
        assert_type(self.assigns, User)
        assert_type(self.connection.info, ConnectInfo)
        return self.state.greeting

    async def receive(self, message: str | bytes) -> list[str | bytes]:
        await self.send(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        return [message]

    def info(self, message: str) -> None:
        self.sync.send(message)


class Counter(RawHandler[int]):
    """A raw handler for another type of assigns than the sockets below have."""


class Untyped(Channel):
    async def join(self) -> None:
        assert_type(self.assigns, Any)


class Numbers(Channel[int]):
    """A channel for another type of assigns than the sockets below have."""


async def connect(params: Params, info: ConnectInfo) -> User:
    return User(1, params.token)


async def connect_without_info(params: Params) -> User:
    return User(1, params.token)


def connect_in_thread() -> User:
    return User(1, "ann")


socket = Socket(
    connect=connect, id=lambda user: f"users:{user.id}", channels={"room:{room_id}": Room}
)
assert_type(socket, Socket[User])
assert_type(Socket(connect=connect_without_info, channels={"room:{room_id}": Room}), Socket[User])
Socket(connect=connect, channels={"any": Untyped})
Socket(connect=connect, channels={"n": Numbers})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
Socket(connect=connect, id=lambda user: user.id, channels={})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
raw = RawSocket(connect=connect, id=lambda user: user.name, handler=Echo)
assert_type(raw, RawSocket[User])
RawSocket(connect=connect, handler=Counter)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
Endpoint(sockets={"/socket": socket, "/raw": raw})
Endpoint(sockets={"/socket": Room})  # type: ignore[dict-item] # pyright: ignore[reportArgumentType]


async def user_of(claims: dict[str, Any], info: ConnectInfo) -> User:
    return User(1, claims["sub"])


async def renew(token: str, info: ConnectInfo) -> User | None:
    info.expire_at(None)
    return None


async def renew_wrongly(token: str, info: ConnectInfo) -> int:
    return 7


tokens = JWTConnect(algorithms=["RS256"], jwks_url="https://id.example.com", user=user_of)
assert_type(tokens, JWTConnect[User])
with_tokens = Socket(
    connect=tokens, refresh=tokens.refresh, channels={"room:{room_id}": Room}, auth_token=True
)
assert_type(with_tokens, Socket[User])
ROOM = {"room:{room_id}": Room}
Socket(connect=connect, refresh=renew, channels=ROOM, refusals="readable")
Socket(connect=connect, refresh=renew_wrongly, channels=ROOM)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
Socket(connect=connect, channels=ROOM, refusals="loud")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
Socket(connect=connect, channels=ROOM, session=StarletteSession("at least 20 bytes of it"))


assert_type(Room.history, History)
assert_type(Channel.history, History)


# Telemetry: a handler gets the classes that it names.


def on_join(event: ChannelJoined) -> None:
    assert_type(event.topic, str)


def on_client(event: ChannelJoined | SocketClosed) -> None: ...


def on_any(event: Event) -> None: ...


def attach(endpoint: Endpoint) -> None:
    endpoint.telemetry.attach(on_join, ChannelJoined)
    endpoint.telemetry.attach(on_client, ChannelJoined, SocketClosed)
    endpoint.telemetry.attach(on_any)
    endpoint.telemetry.attach(on_join, SocketClosed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
