"""The warehouse: a process of its own that packs orders, and publishes over the bus of the shop.

python -m bennu_demos.shop.warehouse              # packs what is placed, until Ctrl-C
python -m bennu_demos.shop.warehouse --once       # packs what is placed now
python -m bennu_demos.shop.warehouse --restock 3 10
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress

from bennu import Publisher

from .channels import endpoint, open_shop, order_changed, stock_changed
from .store import Store

PAUSE = 1.0
"""Seconds between two looks at the orders."""


async def pack(store: Store, publisher: Publisher) -> None:
    """Pack all orders that are placed."""
    for order in reversed(await store.orders()):
        # With two warehouses, one of them packs the order.
        if packed := await store.move(order.id, "packed", before=("placed",)):
            await order_changed(publisher, packed)
            items = ", ".join(f"{item.amount} × {item.name}" for item in packed.items)
            print(f"order {packed.id} is packed: {items}", flush=True)  # noqa: T201 - a command


async def run(*, once: bool, restock: tuple[int, int] | None) -> None:
    """Run the command."""
    async with open_shop() as store, Publisher.of(endpoint) as publisher:
        if restock is not None:
            product = await store.restock(*restock)
            if product is None:
                raise SystemExit(f"there is no product {restock[0]}")
            await stock_changed(publisher, product.id, product.stock)
            return
        await pack(store, publisher)
        while not once:
            await asyncio.sleep(PAUSE)
            await pack(store, publisher)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--restock", nargs=2, type=int, metavar=("PRODUCT", "AMOUNT"))
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(run(once=options.once, restock=options.restock))
