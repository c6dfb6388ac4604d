"""The shop's database, through SQLAlchemy's async API: SQLite, in the folder of the demos. Each method is one transaction."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from msgspec import Struct
from sqlalchemy import Connection, ForeignKey, event, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = [
    "Line",
    "Order",
    "OrderOut",
    "Product",
    "SoldOut",
    "State",
    "Store",
    "User",
    "open_store",
]

State = Literal["placed", "packed", "shipped"]
SHOWN: Final = 50
"""The most orders of a list."""
PRODUCTS: Final = (
    ("Reed pen", "Cut by hand, for ink. Comes with a spare.", 450, 12),
    ("Papyrus sheet", "A4, pressed from two layers. A set of five.", 1200, 30),
    ("Lapis blue ink", "50 ml, made from real pigment. Does not fade.", 1850, 5),
    ("Scribe's palette", "Sycamore, with two wells and a slot for pens.", 3900, 2),
    ("Sealing wax", "Six sticks, dark red, with a wick.", 780, 40),
    ("Pumice stone", "Smooths a sheet, and takes mistakes off it.", 320, 18),
)
passwords = PasswordHasher()


class SoldOut(Exception):
    """The shop has not enough of a product."""


class Item(Struct):
    """A product in an order, as a page shows it."""

    amount: int
    name: str


class OrderOut(Struct):
    """What a page shows of an order."""

    id: int
    customer: str
    customer_id: int
    state: State
    items: list[Item]
    cents: int


class Base(DeclarativeBase):
    """The tables."""


class User(Base):
    """A customer, or one of the staff."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    is_staff: Mapped[bool] = mapped_column(default=False)


class Login(Base):
    """A login in one browser. A logout deletes it; the cookie alone can't be taken back."""

    __tablename__ = "logins"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))


class Product(Base):
    """A product, and how many of it are left."""

    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    text: Mapped[str]
    cents: Mapped[int]
    stock: Mapped[int]


class Line(Base):
    """A product in an order."""

    __tablename__ = "lines"
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    amount: Mapped[int]
    product: Mapped[Product] = relationship(lazy="joined")


class Order(Base):
    """An order."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    state: Mapped[State] = mapped_column(default="placed")
    cents: Mapped[int]
    user: Mapped[User] = relationship(lazy="joined")
    lines: Mapped[list[Line]] = relationship(lazy="selectin")

    def out(self) -> OrderOut:
        """Return what a page shows."""
        items = [Item(line.amount, line.product.name) for line in self.lines]
        return OrderOut(self.id, self.user.name, self.user_id, self.state, items, self.cents)


class Store:
    """The database."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def register(self, name: str, password: str, *, is_staff: bool = False) -> User | None:
        """Make a user; None if the name is taken."""
        user = User(name=name, password=await asyncio.to_thread(passwords.hash, password))
        user.is_staff = is_staff
        try:
            async with self._sessions.begin() as session:
                session.add(user)
        except IntegrityError:
            return None
        return user

    async def check(self, name: str, password: str) -> User | None:
        """Return the user with a name and a password, or None."""
        async with self._sessions() as session:
            user = await session.scalar(select(User).where(User.name == name))
        try:
            # A name that is unknown takes as long as one that is known.
            known = user.password if user else passwords.hash(secrets.token_hex())
            await asyncio.to_thread(passwords.verify, known, password)
        except VerificationError:
            return None
        return user

    async def log_in(self, user: User) -> str:
        """Return the id of a new login."""
        login = Login(id=secrets.token_urlsafe(16), user_id=user.id)
        async with self._sessions.begin() as session:
            session.add(login)
        return login.id

    async def log_out(self, login: str) -> None:
        """End a login."""
        async with self._sessions.begin() as session:
            if found := await session.get(Login, login):
                await session.delete(found)

    async def user_of(self, login: str | None) -> User | None:
        """Return the user of a login that has not ended, or None."""
        async with self._sessions() as session:
            return await session.scalar(select(User).join(Login).where(Login.id == login))

    async def products(self) -> list[Product]:
        """Return all products."""
        async with self._sessions() as session:
            return list(await session.scalars(select(Product).order_by(Product.id)))

    async def restock(self, product_id: int, amount: int) -> Product | None:
        """Add to the stock of a product."""
        async with self._sessions.begin() as session:
            return await _take(session, product_id, -amount)

    async def place(self, user: User, cart: Mapping[int, int]) -> tuple[OrderOut, list[Product]]:
        """Take the products of a cart out of the stock, and make an order of them.

        Raises:
            SoldOut: There is not enough of a product. Nothing is taken then.
        """
        async with self._sessions.begin() as session:
            taken: list[Product] = []
            for product_id, amount in sorted(cart.items()):
                product = await _take(session, product_id, amount)
                if product is None:
                    wanted = await session.get(Product, product_id)
                    raise SoldOut(wanted.name if wanted else "a product")
                taken.append(product)
            lines = [Line(product=product, amount=cart[product.id]) for product in taken]
            cents = sum(line.amount * line.product.cents for line in lines)
            order = Order(user=await session.merge(user), cents=cents, lines=lines)
            session.add(order)
            await session.flush()
            return order.out(), taken

    async def orders(self, user_id: int | None = None) -> list[OrderOut]:
        """Return the newest orders, of one user or of all."""
        query = select(Order).order_by(Order.id.desc()).limit(SHOWN)
        if user_id is not None:
            query = query.where(Order.user_id == user_id)
        async with self._sessions() as session:
            return [order.out() for order in await session.scalars(query)]

    async def order(self, order_id: int) -> OrderOut | None:
        """Return an order."""
        async with self._sessions() as session:
            order = await session.get(Order, order_id)
            return None if order is None else order.out()

    async def move(
        self, order_id: int, state: State, *, before: tuple[State, ...]
    ) -> OrderOut | None:
        """Give an order its next state; None if it is in no state that comes before."""
        query = update(Order).where(Order.id == order_id, Order.state.in_(before))
        async with self._sessions.begin() as session:
            moved = await session.scalar(query.values(state=state).returning(Order.id))
            if moved is None:
                return None
            return (await session.get_one(Order, order_id)).out()


async def _take(session: AsyncSession, product_id: int, amount: int) -> Product | None:
    """Take from the stock, if there is enough: two customers can want the last one."""
    has_enough = update(Product).where(Product.id == product_id, Product.stock >= amount)
    return await session.scalar(has_enough.values(stock=Product.stock - amount).returning(Product))


@asynccontextmanager
async def open_store(path: Path) -> AsyncGenerator[Store]:
    """Open the database, and fill a new one."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 20})
    # Each transaction begins as a writer: a second writer waits, and does not fail.
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "connect", _own_transactions)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        store = Store(sessions)
        async with sessions() as session:
            is_new = await session.scalar(select(Product.id)) is None
        if is_new:
            await _fill(store, sessions)
        yield store
    finally:
        await engine.dispose()


async def _fill(store: Store, sessions: async_sessionmaker[AsyncSession]) -> None:
    password = secrets.token_urlsafe(9)
    if await store.register("staff", password, is_staff=True):
        sys.stderr.write(f"The shop's staff logs in as staff, with the password {password}\n")
    columns = ("name", "text", "cents", "stock")
    async with sessions.begin() as session:
        session.add_all(Product(**dict(zip(columns, row, strict=True))) for row in PRODUCTS)


def _own_transactions(connection: Any, _: object) -> None:
    """Leave BEGIN to us: the driver would begin a transaction only at the first write."""
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
