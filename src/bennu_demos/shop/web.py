"""The pages of the shop: ordinary routes of FastAPI. What is live comes on top, by the page's script."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware

from bennu import csrf
from bennu_demos.page import DESIGN, HEADERS, Headers

from .channels import SECRET, endpoint, order_changed, stock_changed
from .store import SoldOut, Store, User

__all__ = ["web"]

HERE = Path(__file__).parent
MAX_AMOUNT: Final = 99

web = FastAPI(
    openapi_url=None,
    middleware=[
        Middleware(Headers, headers=HEADERS),
        Middleware(SessionMiddleware, secret_key=SECRET),
    ],
)
web.mount("/design", StaticFiles(directory=DESIGN))
web.mount("/static", StaticFiles(directory=HERE / "static"))
templates = Jinja2Templates(HERE / "templates")  # escapes what it puts into a page


def money(cents: int) -> str:
    """Return an amount as a page shows it."""
    return f"€ {cents / 100:.2f}"


templates.env.filters["money"] = money


async def visitor(request: Request) -> User | None:
    """Return the user who is logged in, or None."""
    return await store().user_of(request.session.get("login"))


async def customer(user: Annotated[User | None, Depends(visitor)]) -> User:
    """Return the user; send a guest to the login."""
    if user is None:
        raise HTTPException(303, headers={"location": "/login"})
    return user


async def staff(user: Annotated[User, Depends(customer)]) -> User:
    """Return the user, if it is one of the staff."""
    if not user.is_staff:
        raise HTTPException(403, "staff only")
    return user


async def own_page(request: Request, token: Annotated[str, Form(alias=csrf.KEY)] = "") -> None:
    """Refuse a form that is not of a page of this shop. The socket checks the same token."""
    if not csrf.is_valid(request.session, token):
        raise HTTPException(403, "this page is old: go back, and load it again")


Guest = Annotated[User | None, Depends(visitor)]
Customer = Annotated[User, Depends(customer)]
Staff = Annotated[User, Depends(staff)]
checked: Any = [Depends(own_page)]


def store() -> Store:
    """Return the database, which the endpoint opens when it starts."""
    found: Store = endpoint.state
    return found


def page(
    request: Request, name: str, user: User | None, /, status: int = 200, **values: Any
) -> HTMLResponse:
    """Return a page."""
    cart: dict[str, int] = request.session.get("cart", {})
    common = {"user": user, "csrf": csrf.token_for(request.session), "in_cart": sum(cart.values())}
    return templates.TemplateResponse(request, name, {**common, **values}, status_code=status)


def go(path: str) -> Response:
    """Send the browser to another page after a form."""
    return RedirectResponse(path, 303)


@web.get("/")
async def show_products(request: Request, user: Guest) -> Response:
    return page(request, "products.html", user, products=await store().products())


@web.post("/cart", dependencies=checked)
async def add_to_cart(
    request: Request, product: Annotated[int, Form()], amount: Annotated[int, Form()] = 1
) -> Response:
    cart: dict[str, int] = request.session.get("cart", {})
    wanted = min(max(cart.get(str(product), 0) + amount, 0), MAX_AMOUNT)
    known = {str(one.id) for one in await store().products()}
    request.session["cart"] = {
        key: count
        for key, count in {**cart, str(product): wanted}.items()
        if count and key in known
    }
    return go("/cart")


async def _show_cart(request: Request, user: User | None, *, problem: str = "") -> Response:
    cart: dict[str, int] = request.session.get("cart", {})
    lines = [(one, cart[str(one.id)]) for one in await store().products() if str(one.id) in cart]
    cents = sum(one.cents * amount for one, amount in lines)
    status = 409 if problem else 200
    return page(request, "cart.html", user, status, lines=lines, cents=cents, problem=problem)


@web.get("/cart")
async def show_cart(request: Request, user: Guest) -> Response:
    return await _show_cart(request, user)


@web.post("/orders", dependencies=checked)
async def place_order(request: Request, user: Customer) -> Response:
    cart = {int(key): amount for key, amount in request.session.get("cart", {}).items()}
    if not cart:
        return go("/cart")
    try:
        order, products = await store().place(user, cart)
    except SoldOut as error:
        return await _show_cart(request, user, problem=f"There is not enough left: {error}")
    request.session["cart"] = {}
    for product in products:  # after the commit
        await stock_changed(endpoint, product.id, product.stock)
    await order_changed(endpoint, order)
    return go(f"/orders/{order.id}")


@web.get("/orders")
async def show_orders(request: Request, user: Customer) -> Response:
    return page(request, "orders.html", user, orders=await store().orders(user.id))


@web.get("/orders/{order_id}")
async def show_order(request: Request, order_id: int, user: Customer) -> Response:
    order = await store().order(order_id)
    if order is None or user.id != order.customer_id:
        raise HTTPException(404)
    return page(request, "order.html", user, order=order)


@web.get("/staff")
async def show_staff(request: Request, user: Staff) -> Response:
    orders, products = await store().orders(), await store().products()
    return page(request, "staff.html", user, orders=orders, products=products)


@web.post("/staff/orders/{order_id}/ship", dependencies=checked)
async def ship(order_id: int, user: Staff) -> Response:
    if order := await store().move(order_id, "shipped", before=("placed", "packed")):
        await order_changed(endpoint, order)
    return go("/staff")


@web.get("/login")
async def show_login(request: Request, user: Guest) -> Response:
    return page(request, "login.html", user, name="", problem="")


@web.post("/login", dependencies=checked)
async def log_in(
    request: Request,
    name: Annotated[str, Form(max_length=40)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
    new: Annotated[bool, Form()] = False,
) -> Response:
    name = " ".join(name.split())
    if new and (not name or len(password) < 8):
        problem, user = "An account needs a name, and a password of 8 characters.", None
    elif new:
        problem, user = "This name is taken.", await store().register(name, password)
    else:
        problem, user = "Name or password is wrong.", await store().check(name, password)
    if user is None:
        return page(request, "login.html", None, 422, name=name, problem=problem)
    request.session["login"] = await store().log_in(user)
    return go("/")


@web.post("/logout", dependencies=checked)
async def log_out(request: Request) -> Response:
    login = request.session.pop("login", "")
    await store().log_out(login)  # first: a page connects again at once
    await endpoint.disconnect(f"logins:{login}")
    return go("/")
