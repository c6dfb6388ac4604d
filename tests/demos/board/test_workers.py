"""The board on two workers, as its users run it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bennu.client import Client, PushRefused
from bennu_demos.board.example import EXAMPLE
from tests.demos.process import run_demo
from tests.support.until import until

from .conftest import APP
from .replica import new_id


@pytest.mark.long
async def test_pages_of_two_workers_hear_all_changes_in_one_order(
    database: Path | str, tmp_path: Path
) -> None:
    random = Random(7)
    environment = {"BOARD_DATABASE": str(database)}
    async with (
        run_demo(APP, tmp_path, environment=environment, options=("--workers", "2")) as server,
        AsyncExitStack() as stack,
    ):
        pages: list[Any] = []
        heard: list[list[Any]] = []
        for number in range(6):
            params = {"token": new_id(), "name": f"Page {number}"}
            client = await stack.enter_async_context(Client(f"{server.url}socket", params=params))
            page = client.channel(f"board:{EXAMPLE}", {})
            changes: list[Any] = []
            page.on("change", changes.append)
            await page.join()
            pages.append(page)
            heard.append(changes)
        board = await pages[0].push("load", {})
        lists = [row["id"] for row in board["lists"]]
        cards = [row["id"] for row in board["cards"]]
        versions: list[int] = []
        for _ in range(30):
            spot = {"after": random.choice(cards), "before": random.choice(cards)}
            move = {
                "kind": "move_card",
                "card": random.choice(cards),
                "list": random.choice(lists),
                "spot": spot,
            }
            done = await random.choice(pages).push("do", {"op": new_id(), "do": move})
            versions.append(done["version"])
        assert versions == list(range(board["version"] + 1, board["version"] + 31))
        await until(lambda: all(len(changes) == 30 for changes in heard))
        assert [change["version"] for change in heard[0]] == versions
        assert all(changes == heard[0] for changes in heard)
        gone = {"kind": "remove_card", "card": "0" * 32}
        with pytest.raises(PushRefused, match="card_gone"):
            await pages[1].push("do", {"op": new_id(), "do": gone})
