"""The server of the board, with the kit's clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bennu import Endpoint
from bennu.testing import ANY, ConnectRefused, JoinRefused, connect
from bennu_demos.board.example import EXAMPLE

from .replica import Replica, new_id

TOPIC = f"board:{EXAMPLE}"


@asynccontextmanager
async def visit(
    endpoint: Endpoint, name: str, topic: str = TOPIC, *, new: bool = False
) -> AsyncIterator[Replica]:
    """Connect, join a board, and load it."""
    async with connect(endpoint, "/socket", {"token": new_id(), "name": name}) as client:
        replica = Replica(await client.join(topic, {"new": new}))
        await replica.load()
        yield replica


async def test_a_card_that_one_person_moves_is_moved_for_all(endpoint: Endpoint) -> None:
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        done = await ann.move(ann.card("Book the room"), ann.list("Doing"), 1)
        change = await bo.hear()
        assert (change["by"], change["kind"]) == ("Ann", "move_card")
        assert set(change) == {"version", "op", "by", "kind", "places"}, "a move sends no texts"
        for page in (ann, bo):
            await page.until(done["version"])
            assert page.shown["Doing"] == [
                "Choose the menu",
                "Book the room",
                "Ask Amira about the music",
            ]


async def test_lists_are_added_renamed_moved_and_removed_with_their_cards(
    endpoint: Endpoint,
) -> None:
    board = f"board:{new_id()}"
    async with visit(endpoint, "Ann", board, new=True) as ann, visit(endpoint, "Bo", board) as bo:
        assert bo.shown == {"To do": [], "Doing": [], "Done": []}
        later = new_id()
        await ann.do("add_list", list=later, title="Later")
        await ann.do("rename_list", list=later, title="Some day")
        await ann.do("add_card", card=new_id(), list=later, title="Learn to dance")
        await ann.do("move_list", list=later, spot={"before": ann.list("To do")})
        await ann.do("remove_list", list=ann.list("Doing"))
        await bo.until((await ann.do("rename_board", title="Plans"))["version"])
        assert bo.shown == {"Some day": ["Learn to dance"], "To do": [], "Done": []}
        assert list(bo.shown) == ["Some day", "To do", "Done"]
        await bo.until((await bo.do("remove_list", list=later))["version"])
        assert bo.cards == {}
        await bo.load()
        assert bo.cards == {}
        assert list(bo.shown) == ["To do", "Done"]


async def test_an_operation_that_is_sent_twice_is_done_once(endpoint: Endpoint) -> None:
    async with visit(endpoint, "Ann") as ann:
        op, card = new_id(), new_id()
        add = {"op": op, "card": card, "list": ann.list("Done"), "title": "Send the invitation"}
        first = await ann.do("add_card", **add)
        assert await ann.do("add_card", **add) == first
        await ann.until(first["version"])
        await ann.load()
        assert ann.version == first["version"]
        assert ann.shown["Done"].count("Send the invitation") == 1


async def test_an_id_that_is_added_by_two_operations_is_there_once(endpoint: Endpoint) -> None:
    """The server can lose the reply that it keeps, if it crashes right after the commit."""
    async with visit(endpoint, "Ann") as ann:
        card, a_list = new_id(), new_id()
        for _ in range(2):
            await ann.do("add_list", list=a_list, title="Ideas")
            await ann.do("add_card", card=card, list=a_list, title="Fireworks")
        await ann.load()
        assert ann.shown["Ideas"] == ["Fireworks"]


async def test_a_second_edit_of_the_same_text_is_refused_with_the_text_as_it_is(
    endpoint: Endpoint,
) -> None:
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        card = ann.card("Set the budget")
        seen = ann.cards[card]["edited"]
        done = await ann.do("edit_card", card=card, title="Set the budget", text="400", seen=seen)
        push = bo.do("edit_card", card=card, title="Set the budget", text="500", seen=seen)
        await push.assert_error(
            {"reason": "edited_meanwhile", "text": "400", "edited": done["version"]}
        )
        bos = {"title": "Set the budget", "text": "500", "seen": done["version"]}
        await ann.until((await bo.do("edit_card", card=card, **bos))["version"])
        assert ann.cards[card]["text"] == "500"


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("move_card", {"card": "0" * 32, "list": "To do", "spot": {}}, "card_gone"),
        ("move_card", {"card": "Book the room", "list": "0" * 32, "spot": {}}, "list_gone"),
        ("add_card", {"card": "f" * 32, "list": "0" * 32, "title": "x"}, "list_gone"),
        ("remove_card", {"card": "0" * 32}, "card_gone"),
        ("remove_list", {"list": "0" * 32}, "list_gone"),
        ("rename_list", {"list": "To do", "title": ""}, "invalid_payload"),
        ("rename_list", {"list": "to do", "title": "x"}, "invalid_payload"),
        ("paint", {}, "invalid_payload"),
    ],
)
async def test_what_does_not_fit_the_board_is_refused_and_changes_nothing(
    endpoint: Endpoint, kind: str, fields: dict[str, Any], reason: str
) -> None:
    async with visit(endpoint, "Ann") as ann:
        before = ann.version, ann.shown
        ids = {row["title"]: key for key, row in [*ann.lists.items(), *ann.cards.items()]}
        named = {
            name: ids.get(value, value) if name != "spot" else value
            for name, value in fields.items()
        }
        await ann.do(kind, **named).assert_error(reason)
        await ann.load()
        assert (ann.version, ann.shown) == before


async def test_rows_of_another_board_are_not_there(endpoint: Endpoint) -> None:
    other = f"board:{new_id()}"
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo", other, new=True) as bo:
        await bo.do("remove_card", card=ann.card("Find a date")).assert_error("card_gone")
        await bo.do("remove_list", list=ann.list("Done")).assert_error("list_gone")
        taken = {"card": ann.card("Find a date"), "list": bo.list("Done"), "title": "Mine"}
        await bo.do("add_card", **taken).assert_error("id_taken")
        await bo.do("add_list", list=ann.list("Done"), title="Mine").assert_error("id_taken")


async def test_boards_have_bounds(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bennu_demos.board.store.MAX_LISTS", 5)
    monkeypatch.setattr("bennu_demos.board.store.MAX_CARDS", 10)
    async with visit(endpoint, "Ann") as ann:
        await ann.do("add_list", list=new_id(), title="The fifth")
        await ann.do("add_list", list=new_id(), title="More").assert_error("too_many_lists")
        done = ann.list("Done")
        assert len(ann.cards) == 10
        await ann.do("add_card", card=new_id(), list=done, title="x").assert_error("too_many_cards")


async def test_many_moves_to_one_place_keep_the_keys_short(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last card goes behind the first one, again and again: each key needs a longer one between two others."""
    monkeypatch.setattr("bennu_demos.board.store.MAX_KEY", 5)
    async with visit(endpoint, "Ann") as ann:
        todo = ann.list("To do")
        for _ in range(30):
            *_, last = ann.order(todo)
            await ann.until((await ann.move(last, todo, 1))["version"])
            assert ann.order(todo)[1] == last
            assert max(len(ann.cards[card]["key"]) for card in ann.order(todo)) <= 5


async def test_a_board_is_made_only_by_a_page_that_asks_for_it(endpoint: Endpoint) -> None:
    async with connect(endpoint, "/socket", {"token": new_id(), "name": "Ann"}) as ann:
        for topic, payload in ((f"board:{new_id()}", {}), ("board:plans", {"new": True})):
            with pytest.raises(JoinRefused, match="no_such_board"):
                await ann.join(topic, payload)


async def test_who_looks_at_which_card(endpoint: Endpoint) -> None:
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        (key,) = [key for key, person in ann.channel.presences.all.items() if "Bo" in str(person)]
        card = bo.card("Book the room")
        bo.channel.push("look", {"card": card})
        await ann.channel.assert_present(key, {"name": "Bo", "card": card})
        bo.channel.push("look", {"card": None})
        await ann.channel.assert_present(key, {"name": "Bo", "card": None})


async def test_a_token_stays_secret_and_a_name_is_needed(endpoint: Endpoint) -> None:
    token = new_id()
    async with connect(endpoint, "/socket", {"token": token, "name": " Ann  B. "}) as ann:
        channel = await ann.join(TOPIC)
        await channel.assert_push("presence_state", ANY)
        assert token not in str(channel.pushes)
        assert ann.assigns.name == "Ann B."
        with pytest.raises(ConnectRefused, match="bad_name"):
            async with connect(endpoint, "/socket", {"token": token, "name": " "}):
                pass
