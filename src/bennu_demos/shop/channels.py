"""What is live in the shop: its endpoint, and what pages can join."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bennu import Channel, ConnectInfo, Endpoint, Rates, Refused, Socket
from bennu.auth.session import StarletteSession
from bennu_demos.data import data_folder

from .secret import secret_key
from .store import OrderOut, Store, open_store

__all__ = ["DATA", "SECRET", "endpoint", "order_changed", "stock_changed"]

DATA = data_folder("shop")
SECRET = secret_key(DATA)


@dataclass(frozen=True)
class Visitor:
    """Who has connected; the id is None for a guest."""

    id: int | None = None
    is_staff: bool = False


class ShopChannel(Channel[Visitor, Store]):
    """The stock of all products, and notices, for everybody."""

    async def after_join(self) -> None:
        """Push the stock: the page can have missed a change."""
        products = await self.state.products()
        await self.push("products", {"stock": {str(one.id): one.stock for one in products}})


class UserChannel(Channel[Visitor, Store]):
    """The orders of one customer, on all tabs and devices."""

    user_id: int

    async def join(self) -> None:
        """Let only the customer in."""
        if self.assigns.id != self.user_id:
            raise Refused("not yours")

    async def after_join(self) -> None:
        """Push the orders as they are now."""
        await self.push("orders", {"orders": await self.state.orders(self.user_id)})


class StaffChannel(Channel[Visitor, Store]):
    """All orders, for the staff."""

    async def join(self) -> None:
        """Let only the staff in."""
        if not self.assigns.is_staff:
            raise Refused("staff only")

    async def after_join(self) -> None:
        """Push the orders as they are now."""
        await self.push("orders", {"orders": await self.state.orders()})


async def connect(info: ConnectInfo) -> Visitor:
    """Accept everybody. The session's login tells who it is, until it ends."""
    login = (info.session or {}).get("login")
    store: Store = info.state
    user = await store.user_of(login)
    if user is None:
        return Visitor()
    info.add_id(f"logins:{login}")  # a logout disconnects it
    return Visitor(user.id, user.is_staff)


@asynccontextmanager
async def open_shop() -> AsyncGenerator[Store]:
    """Open the database when the server starts, and close it when it stops."""
    async with open_store(DATA / "shop.db") as store:
        yield store


endpoint = Endpoint(
    sockets={
        "/socket": Socket(
            connect=connect,
            session=StarletteSession(SECRET),
            channels={"shop": ShopChannel, "user:{user_id}": UserChannel, "staff": StaffChannel},
            rates=Rates(messages="10/second, burst 30"),
        )
    },
    pubsub=f"ipc://{DATA / 'bus'}",  # the warehouse and `bennu publish` send over it
    lifespan=open_shop,
)


# What is published, by the shop's own pages (the endpoint) and by other processes (a publisher).


async def stock_changed(sender: Any, product_id: int, left: int) -> None:
    """Tell all pages how many of a product are left."""
    await sender.broadcast("shop", "stock", {"product": product_id, "left": left})


async def order_changed(sender: Any, order: OrderOut) -> None:
    """Tell the customer and the staff of an order."""
    await sender.broadcast(f"user:{order.customer_id}", "order", order)
    await sender.broadcast("staff", "order", order)
