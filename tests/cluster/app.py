"""The endpoint of the nodes: ``bennu run tests.cluster.app:endpoint``.

The variables BENNU_PUBSUB and BENNU_SECRET_KEY put a process on a bus. A test controls a node through channels, as any
client could: an event that broadcasts, one that disconnects an id. So the code is that of an endpoint without a bus.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct, field

from bennu import (
    Broadcast,
    Channel,
    ConnectInfo,
    Endpoint,
    LongPoll,
    Periods,
    Presence,
    Socket,
    on,
    on_info,
    on_out,
)

__all__ = [
    "ORDERS",
    "PRICES",
    "Order",
    "PriceChanged",
    "brief",
    "channels",
    "endpoint",
    "steady",
]

PRICES = "prices"
ORDERS = "orders"
AUDIT = "audit:orders"


class User(Struct, frozen=True):
    """The assigns of a client."""

    name: str


class Text(Struct):
    """A payload with text."""

    text: str


class Burst(Struct):
    """How many messages a client wants to be broadcast."""

    count: int


class Named(Struct):
    """A payload with an id."""

    id: str


class Tracked(Struct):
    """A key and its meta."""

    key: str
    meta: dict[str, Any] = field(default_factory=dict)


class PriceChanged(Struct):
    """A message between server code, which ``@on_info`` names."""

    symbol: str
    cents: int


class Order(Struct):
    """A message between server code, which only ``Endpoint(messages=...)`` names."""

    number: int
    items: list[str]


class Room(Channel[User]):
    """A chat."""

    async def join(self) -> dict[str, Any]:
        return {"node": self.endpoint.node}

    @on("say")
    async def say(self, payload: Text) -> None:
        await self.broadcast("said", {"text": payload.text, "by": self.assigns.name})

    @on("say_to_others")
    async def say_to_others(self, payload: Text) -> None:
        await self.broadcast_from("said", {"text": payload.text, "by": self.assigns.name})

    @on("say_here")
    async def say_here(self, payload: Text) -> None:
        await self.local_broadcast("said", {"text": payload.text, "by": self.assigns.name})

    @on("draw")
    async def draw(self, payload: bytes) -> None:
        await self.broadcast("drawn", payload)

    @on("draw_for_others")
    async def draw_for_others(self, payload: bytes) -> None:
        await self.broadcast_from("drawn", payload)

    @on("burst")
    async def burst(self, payload: Burst) -> None:
        for number in range(payload.count):
            await self.broadcast("tick", {"by": self.assigns.name, "n": number})

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("publish")
    async def publish(self, payload: list[str]) -> dict[str, Any]:
        """Broadcast to other topics; this channel need not have joined them."""
        for topic in payload:
            await self.endpoint.broadcast(topic, "published", {"topic": topic})
        return {}

    @on("disconnect")
    async def disconnect(self, payload: Named) -> dict[str, Any]:
        await self.endpoint.disconnect(payload.id)
        return {}

    @on("nodes")
    async def nodes(self) -> list[str]:
        return sorted(self.endpoint.nodes())


class Intercepting(Channel[User]):
    """Counts what it hears, and says for whom a message is."""

    seen = 0

    @on("say")
    async def say(self, payload: Text) -> None:
        await self.broadcast("said", payload)

    @on("say_to_others")
    async def say_to_others(self, payload: Text) -> None:
        await self.broadcast_from("said", payload)

    @on("draw")
    async def draw(self, payload: bytes) -> None:
        await self.broadcast("drawn", payload)

    @on_out("said")
    async def said(self, payload: Text) -> None:
        self.seen += 1
        await self.push("said", {"text": payload.text, "to": self.assigns.name, "seen": self.seen})

    @on_out("drawn")
    async def drawn(self, payload: bytes) -> None:
        self.seen += 1
        await self.push("drawn", payload + bytes([self.seen]))


class Desk(Channel[User]):
    """Listens to another topic."""

    async def after_join(self) -> None:
        self.subscribe(PRICES)
        await self.endpoint.pubsub.heard(PRICES)
        await self.push("listens")

    @on("price")
    async def price(self, payload: PriceChanged) -> None:
        await self.endpoint.pubsub.broadcast(PRICES, payload)

    @on("news")
    async def news(self, payload: Text) -> None:
        await self.endpoint.broadcast(PRICES, "news", payload)

    @on("photo")
    async def photo(self, payload: bytes) -> None:
        await self.endpoint.broadcast(PRICES, "photo", payload)

    @on_info(PriceChanged)
    async def price_changed(self, change: PriceChanged) -> None:
        await self.push("price", {"symbol": change.symbol, "cents": change.cents})

    @on_info(Broadcast)
    async def heard(self, message: Broadcast) -> None:
        payload = message.payload
        if isinstance(payload, bytes):
            payload = {"hex": payload.hex()}
        await self.push("heard", {"event": message.event, "payload": payload})


class Audit(Channel[User]):
    """Shows what the listener of each node's lifespan gets."""

    @on("order")
    async def order(self, payload: Order) -> None:
        await self.endpoint.pubsub.broadcast(ORDERS, payload)

    @on("plain")
    async def plain(self, payload: Any) -> None:
        await self.endpoint.pubsub.broadcast(ORDERS, payload)


class Present(Channel[User]):
    """Lists who is here. A client that joins with a device is listed."""

    presence: Presence

    async def join(self, payload: dict[str, str]) -> None:
        self.device = payload.get("device")

    async def after_join(self) -> None:
        if self.device is not None:
            await self.presence.track(self, self.assigns.name, {"device": self.device})
        await self.presence.push_state(self)

    @on("update")
    async def update(self, payload: Tracked) -> dict[str, Any]:
        await self.presence.update(self, payload.key, payload.meta)
        return {}

    @on("list")
    async def list(self) -> dict[str, Any]:
        return await self.presence.list(self)


# A node that is killed is noticed by its silence. The second kind never notices it within a test: what it shows of an end
# was said by the node itself.
brief = Presence(
    "brief", periods=Periods(broadcast=0.4, max_silent=0, down=4.0, permdown=60.0), shards=1
)
steady = Presence("steady", periods=Periods(broadcast=0.4, down=3000.0, permdown=9000.0), shards=1)


def _present(presence: Presence) -> type[Present]:
    return type("PresentIn", (Present,), {"presence": presence})


@asynccontextmanager
async def listen(endpoint: Endpoint) -> AsyncIterator[None]:
    """Show the messages under a topic to clients of this node."""

    def heard(message: Any) -> None:
        shown = {"type": type(message).__qualname__, "message": message, "node": endpoint.node}
        endpoint.pubsub.local_broadcast(AUDIT, Broadcast(AUDIT, "audited", shown))

    endpoint.pubsub.subscribe(ORDERS, heard)
    await endpoint.pubsub.heard(ORDERS)
    yield


async def connect(params: dict[str, str], info: ConnectInfo) -> User:
    """Accept every client. A client can say in how many seconds its token expires."""
    if "expires" in params:
        info.expire_at(time.time() + float(params["expires"]))
    return User(params.get("name", "somebody"))


channels: dict[str, type[Channel[Any, Any]]] = {
    "room:*": Room,
    "out:*": Intercepting,
    "desk:*": Desk,
    "audit:*": Audit,
    "brief:*": _present(brief),
    "steady:*": _present(steady),
}


def _socket(**options: Any) -> Socket[User]:
    def name_of(user: User) -> str:
        return f"users:{user.name}"

    return Socket(connect=connect, channels=channels, id=name_of, longpoll=LongPoll(), **options)


endpoint = Endpoint(
    sockets={"/socket": _socket(), "/polled": _socket(websocket=False)},
    presence=[brief, steady],
    messages=[Order],
    lifespan=listen,
    health="/health",
)
