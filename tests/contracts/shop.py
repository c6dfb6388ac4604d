"""An application with what a contract can show: each kind of payload, reply, policy and topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, TypedDict
from uuid import UUID

import pydantic
from msgspec import Meta, Struct

from bennu import (
    Channel,
    ConnectInfo,
    Endpoint,
    Error,
    History,
    Ok,
    Presence,
    Rates,
    RawHandler,
    RawSocket,
    Refused,
    Reply,
    Socket,
    on,
)

__all__ = ["AdminChannel", "Order", "Point", "ShopChannel", "endpoint", "endpoint_of", "presence"]

presence = Presence()


class Level(Enum):
    HIGH = "high"
    LOW = "low"


class Circle(Struct, tag="circle"):
    radius: float


class Square(Struct, tag="square"):
    side: float
    level: Level = Level.HIGH


class Place(TypedDict, total=False):
    name: str


@dataclass
class Point:
    """A point.

    Attributes:
        x: To the right.
    """

    x: int
    y: int = 0
    near: Point | None = None


class Item(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=1, alias="itemName")
    size: int = 3


class Order(Struct):
    item: Item
    id: UUID
    note: Annotated[str, Meta(max_length=100)] = ""
    pair: tuple[int, str] = (1, "a")


class Params(Struct):
    token: str


class Problem(Struct):
    reason: Literal["locked"]
    by: str


class ShopChannel(Channel[str]):
    """Orders of a shop."""

    shop_id: int
    history = History(size=50, ttl=timedelta(hours=1), ephemeral=["typing"])
    max_inbox = 10

    async def join(self, payload: Params) -> Point:
        """Enter the shop."""
        if self.shop_id == 13:
            raise Refused("closed")
        return Point(1)

    async def after_join(self) -> None:
        await presence.track(self, "a", {})
        await presence.push_state(self)

    @on("order", rate="5/second", idempotent_by="id")
    async def order(self, order: Order) -> Ok[Order] | Error[Problem]:
        """Order something.

        It is paid later.
        """
        await self.broadcast("ordered", order)
        return Ok(order)

    @on("draw")
    async def draw(self, shape: Circle | Square) -> None:
        await self.push("drawn", shape)
        await self.push("point", Point(1))

    @on("place")
    async def place(self, place: Place | None) -> Place:
        return {} if place is None else place

    @on("image")
    async def image(self, pixels: bytes) -> bytes:
        await self.push("image", b"1")
        return pixels

    @on("later")
    async def later(self) -> Reply[Point] | None:
        self.expect()
        return None

    def expect(self) -> None:
        raise Refused("not yet")

    @on("item:add")
    async def add(self, items: list[Item]) -> Item:
        return items[0]


class AdminChannel(Channel[str]):
    emits: ClassVar[dict[str, Any]] = {"said": Point, "level": Level}
    level: Level

    @on("say")
    async def say(self) -> Ok:
        await self.push("sad", Point(1))
        return Ok()

    async def handle_in(self, event: str, payload: Any) -> dict[str, Any]:
        return {}


class StarChannel(Channel[str]):
    """Any topic below ``star:``."""


class Echo(RawHandler[None]):
    async def receive(self, message: str | bytes) -> str | bytes:
        return message


async def connect(params: Params, info: ConnectInfo) -> str:
    """Let in a client with a token."""
    if not params.token:
        raise Refused("no token")
    return params.token


def endpoint_of(
    channels: dict[str, type[Channel[Any, Any]]] | None = None, **options: Any
) -> Endpoint:
    """Return an endpoint with these channels, by default those of the shop."""
    socket = Socket(
        connect=connect,
        id=lambda name: name,
        longpoll=True,
        auth_token=True,
        rates=Rates(joins="20/10s"),
        channels=channels
        or {"shop:{shop_id}": ShopChannel, "admin:{level}": AdminChannel, "star:*": StarChannel},
    )
    raw = RawSocket(connect=lambda: None, handler=Echo)
    sockets = {"/socket": socket, **({} if channels else {"/lines": raw})}
    return Endpoint(sockets=sockets, **{"presence": presence, **options})


endpoint = endpoint_of()
