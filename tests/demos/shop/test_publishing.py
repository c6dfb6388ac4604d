"""Other processes publish to the pages of the shop: the warehouse, a shell, a task of Celery."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import bennu_demos.shop
from bennu.testing import connect
from bennu_demos.shop.app import endpoint
from bennu_demos.shop.store import Store

from .conftest import DATA, Person, run_python

README = Path(bennu_demos.shop.__file__).with_name("README.md")


async def test_the_warehouse_packs_orders(store: Store, ann: Person) -> None:
    await ann.buy(1)
    async with connect(endpoint, "/socket", **await ann.credentials()) as client:
        orders = await client.join(f"user:{ann.id}")
        said = await run_python(DATA, "-m", "bennu_demos.shop.warehouse", "--once")
        assert said == "order 1 is packed: 1 × Reed pen\n"
        await orders.assert_push("order", {"id": 1, "state": "packed"})
        assert await run_python(DATA, "-m", "bennu_demos.shop.warehouse", "--once") == ""


async def test_the_warehouse_restocks(store: Store) -> None:
    async with connect(endpoint, "/socket") as client:
        shop = await client.join("shop")
        await run_python(DATA, "-m", "bennu_demos.shop.warehouse", "--restock", "4", "10")
        await shop.assert_push("stock", {"product": 4, "left": 12})


async def test_a_shell_tells_all_pages(store: Store) -> None:
    async with connect(endpoint, "/socket") as client:
        shop = await client.join("shop")
        options = ("--app", "bennu_demos.shop.app:app", "shop", "notice", '{"text": "Hello"}')
        said = await run_python(DATA, "-m", "bennu", "publish", *options)
        assert "notice was published to shop" in said
        await shop.assert_push("notice", {"text": "Hello"})


async def test_the_task_of_the_readme_tells_all_pages(store: Store) -> None:
    """Celery runs it, in eager mode: in a thread of this process, and without a broker."""
    pytest.importorskip("celery")
    source = next(
        block
        for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
        if "celery" in block
    )
    task: dict[str, Any] = {}
    exec(source, task)  # noqa: S102 - our own file
    task["celery"].conf.task_always_eager = True
    async with connect(endpoint, "/socket") as client:
        shop = await client.join("shop")
        done = await asyncio.to_thread(task["announce"].delay, "Free shipping until midnight")
        assert done.successful()
        await shop.assert_push("notice", {"text": "Free shipping until midnight"})
        await asyncio.to_thread(task["publisher"].stop)
