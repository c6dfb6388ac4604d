"""The shop: its pages, and what is live when something is bought, packed or shipped."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from bennu.testing import JoinRefused, TestClient, connect
from bennu_demos.shop.app import endpoint
from bennu_demos.shop.store import SoldOut, Store

from .conftest import PASSWORD, Person, log_in

PEN, INK, PALETTE = 1, 3, 4


async def connected(stack: AsyncExitStack, person: Person) -> TestClient:
    return await stack.enter_async_context(
        connect(endpoint, "/socket", **await person.credentials())
    )


async def test_an_order_changes_the_stock_on_all_pages(
    store: Store, ann: Person, staff: Person
) -> None:
    """A guest sees it too. The customer and the staff see the order."""
    async with AsyncExitStack() as stack:
        shop = await (await connected(stack, Person())).join("shop")
        mine = await (await connected(stack, ann)).join(f"user:{ann.id}")
        all_orders = await (await connected(stack, staff)).join("staff")
        await shop.assert_push("products", {"stock": {"1": 12, "2": 30, "3": 5, "4": 2}})
        await mine.assert_push("orders", {"orders": []})

        placed = await ann.buy(INK, 2)
        assert placed.headers["location"] == "/orders/1"
        await shop.assert_push("stock", {"product": INK, "left": 3})
        items = [{"amount": 2, "name": "Lapis blue ink"}]
        order = {"id": 1, "customer": "Ann", "state": "placed", "items": items}
        await mine.assert_push("order", {**order, "cents": 3700})
        await all_orders.assert_push("order", order)


async def test_an_order_that_is_shipped_is_shipped_on_all_tabs(
    store: Store, ann: Person, staff: Person
) -> None:
    """A tab that was away gets the state of today. Shipping twice tells nobody twice."""
    await ann.buy(PEN)
    async with AsyncExitStack() as stack:
        tabs = [await (await connected(stack, ann)).join(f"user:{ann.id}") for _ in range(2)]
        for tab in tabs:
            await tab.assert_push("orders", {"orders": [{"id": 1, "state": "placed"}]})
        assert (await staff.post("/staff/orders/1/ship")).status_code == 303
        for tab in tabs:
            await tab.assert_push("order", {"id": 1, "state": "shipped"})
        await staff.post("/staff/orders/1/ship")
        await tabs[0].refute_push("order")
        late = await (await connected(stack, ann)).join(f"user:{ann.id}")
        await late.assert_push("orders", {"orders": [{"id": 1, "state": "shipped"}]})


async def test_nobody_sees_the_orders_of_another_customer(store: Store, ann: Person) -> None:
    bo = await log_in(store, "Bo")
    await ann.buy(PEN)
    assert (await bo.get("/orders/1")).status_code == 404
    assert (await bo.get("/staff")).status_code == 403
    assert (await bo.post("/staff/orders/1/ship")).status_code == 403
    assert (await Person().get("/orders/1")).headers["location"] == "/login"
    async with AsyncExitStack() as stack:
        for person in (bo, Person()):
            client = await connected(stack, person)
            with pytest.raises(JoinRefused, match="not yours"):
                await client.join(f"user:{ann.id}")
            with pytest.raises(JoinRefused, match="staff only"):
                await client.join("staff")


async def test_a_page_of_another_site_can_do_nothing(store: Store, ann: Person) -> None:
    """It does not know the token: no form is accepted, and on the socket it is a guest."""
    for path in ("/cart", "/orders", "/logout", "/login", "/staff/orders/1/ship"):
        assert (await ann.post(path, token="", product=PEN)).status_code == 403, path
    headers = (await ann.credentials())["headers"]
    async with connect(endpoint, "/socket", headers=headers) as client:
        with pytest.raises(JoinRefused, match="not yours"):
            await client.join(f"user:{ann.id}")


async def test_a_logout_ends_the_connections_of_its_browser(store: Store, ann: Person) -> None:
    """Another device of the customer stays. A copy of the cookie is worth nothing from then on."""
    phone = Person(ann.id)
    await phone.post("/login", name="Ann", password=PASSWORD)
    kept = await ann.credentials()
    async with AsyncExitStack() as stack:
        here, there = await connected(stack, ann), await connected(stack, phone)
        await here.join(f"user:{ann.id}")
        held = await there.join(f"user:{ann.id}")
        await ann.post("/logout")
        await here.assert_closed(1001)
        await phone.buy(PEN)
        await held.assert_push("order", {"state": "placed"})
        again = await stack.enter_async_context(connect(endpoint, "/socket", **kept))
        with pytest.raises(JoinRefused, match="not yours"):
            await again.join(f"user:{ann.id}")


async def test_the_last_one_is_sold_once(store: Store) -> None:
    """Ten customers want the two palettes at the same time."""
    users = [await store.register(f"user {number}", PASSWORD) for number in range(10)]
    wanted = (store.place(user, {PALETTE: 1, PEN: 1}) for user in users if user is not None)
    outcomes = await asyncio.gather(*wanted, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in outcomes) == 2
    assert sum(isinstance(one, SoldOut) for one in outcomes) == 8
    left = {product.id: product.stock for product in await store.products()}
    assert (left[PALETTE], left[PEN]) == (0, 10)


async def test_the_page_says_what_is_sold_out(store: Store, ann: Person) -> None:
    """The cart stays as it is."""
    refused = await ann.buy(PALETTE, 3)
    assert refused.status_code == 409
    assert "There is not enough left: Scribe&#39;s palette" in refused.text
    assert "Scribe&#39;s palette" in (await ann.get("/cart")).text
    await ann.post("/cart", product=PALETTE, amount=-1)
    assert (await ann.post("/orders")).status_code == 303
    assert "Sold out" in (await ann.get("/")).text
    assert "Your cart is empty" in (await ann.get("/cart")).text


async def test_a_guest_keeps_the_cart_after_the_login(store: Store) -> None:
    guest = Person()
    await guest.post("/cart", product=PEN, amount=2)
    await guest.post("/cart", product=99, amount=2)  # no such product
    assert (await guest.post("/orders")).headers["location"] == "/login"
    await guest.post("/login", name="Cy", password=PASSWORD, new="true")
    placed = await guest.post("/orders")
    page = await guest.get(placed.headers["location"])
    assert "2 × <bdi>Reed pen</bdi>" in page.text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "Ann", "password": "wrong"}, "Name or password is wrong"),
        ({"name": "Nobody", "password": PASSWORD}, "Name or password is wrong"),
        ({"name": "Ann", "password": PASSWORD, "new": "true"}, "This name is taken"),
        ({"name": "Cy", "password": "short", "new": "true"}, "8 characters"),
        ({"name": "  ", "password": PASSWORD, "new": "true"}, "needs a name"),
    ],
)
async def test_a_login_that_fails_says_why(ann: Person, fields: dict[str, str], says: str) -> None:
    page = await Person().post("/login", **fields)
    assert page.status_code == 422
    assert says in page.text


async def test_the_pages_escape_what_users_write(store: Store) -> None:
    person = await log_in(store, "<script>x</script>")
    page = await person.get("/")
    assert "&lt;script&gt;x" in page.text
    assert "<script>x" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
