"""Private rooms and conversations: who sees them, who is let in, and who has read what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bennu import Endpoint
from bennu.testing import JoinRefused, PushRefused, TestChannel, TestClient
from bennu_demos.chat.rooms import MAX_MEMBERS

from .guests import LOBBY, account, latest, new_key, say, visit


class Guest:
    """A person with one device: the client, and the channel that only the person's devices join."""

    def __init__(self, client: TestClient, own: TestChannel) -> None:
        self.join = client.join
        self.own = own


@pytest.fixture
async def guests(endpoint: Endpoint) -> AsyncIterator[tuple[Guest, Guest, Guest]]:
    """Ann, Bo and Cy."""
    async with AsyncExitStack() as stack:
        people: list[Guest] = []
        for number, name in enumerate(("Ann", "Bo", "Cy"), 1):
            client = await stack.enter_async_context(visit(endpoint, name))
            people.append(Guest(client, await client.join(f"user:{number}")))
            await people[-1].own.assert_pushes(
                ("rooms", {"rooms": []}), ("notifications", {"notifications": []})
            )
        ann, bo, cy = people
        yield ann, bo, cy


async def private_room(ann: Guest, *names: str) -> str:
    """Open a private room, invite people, and return its topic."""
    name = (await ann.own.push("new_room", {"name": "Secret party", "is_private": True}))["name"]
    room = await ann.join(f"room:{name}")
    for guest in names:
        await room.push("invite", {"name": guest})
    return f"room:{name}"


async def test_private_room_is_for_the_people_who_are_invited(
    guests: tuple[Guest, Guest, Guest],
) -> None:
    """A member sees the room in the list, and a notification. For everybody else it does not exist."""
    ann, bo, cy = guests
    topic = await private_room(ann, "Bo")
    shown = await bo.own.assert_push("room", {"title": "Secret party", "kind": "closed"})
    assert shown["members"] == ["Ann", "Bo"]
    await bo.own.assert_push("notification", {"kind": "invited", "by": "Ann", "is_read": False})
    room = await bo.join(topic)
    with pytest.raises(JoinRefused, match="no_such_room"):
        await cy.join(topic)
    said = await say(room, "Only for us")
    await ann.own.assert_push("message", said)
    await bo.own.assert_push("message", said)
    rooms = await cy.join("rooms")
    listed = await rooms.assert_push("rooms")
    assert topic not in [f"room:{one['name']}" for one in listed["rooms"]]
    await rooms.refute_push("message")
    await rooms.refute_push("crowd")
    await cy.own.refute_push("message")


async def test_who_leaves_a_private_room_is_let_in_no_more(
    guests: tuple[Guest, Guest, Guest],
) -> None:
    """The room leaves the list on all devices, and the others see who is left."""
    ann, bo, _ = guests
    topic = await private_room(ann, "Bo")
    room = await bo.join(topic)
    await room.push("quit").assert_reply()
    await room.assert_closed()
    await bo.own.assert_push("room_gone", {"name": topic.removeprefix("room:")})
    await ann.own.assert_push("room", {"members": ["Ann"]})
    with pytest.raises(JoinRefused, match="no_such_room"):
        await bo.join(topic)


async def test_private_room_has_a_number_of_members(
    endpoint: Endpoint, guests: tuple[Guest, Guest, Guest]
) -> None:
    """Each member gets the receipts of all, so a private room stays small. Nobody else can be invited to an open one."""
    ann, bo, _ = guests
    names = [f"Guest {number}" for number in range(MAX_MEMBERS)]
    for name in names:
        await account(endpoint, name)
    topic = await private_room(ann, *names[:-1])
    room = await ann.join(topic)
    await room.push("invite", {"name": names[-1]}).assert_error("room_full")
    await room.push("invite", {"name": "Nobody"}).assert_error("no_such_person")
    await (await bo.join(LOBBY)).push("invite", {"name": "Cy"}).assert_error("not_private")


async def test_conversation_of_two_is_found_again(guests: tuple[Guest, Guest, Guest]) -> None:
    """Whoever begins: two people have one conversation. A group of three is another one."""
    ann, bo, cy = guests
    two = await ann.own.push("direct", {"names": ["Bo"]})
    assert await bo.own.push("direct", {"names": ["ann"]}) == two
    three = await bo.own.push("direct", {"names": ["Ann", "Cy"]})
    assert three != two
    await cy.own.assert_push("room", {"kind": "direct", "members": ["Ann", "Bo", "Cy"]})
    said = await say(await ann.join(f"room:{two['name']}"), "Just us two")
    await bo.own.assert_push("message", said)
    await cy.own.refute_push("message")
    with pytest.raises(JoinRefused, match="no_such_room"):
        await cy.join(f"room:{two['name']}")
    await ann.own.push("direct", {"names": ["Ann"]}).assert_error("yourself")


async def test_channel_of_a_person_is_for_that_person(
    guests: tuple[Guest, Guest, Guest],
) -> None:
    """Nobody joins the channel with the private messages of another person."""
    _, bo, _ = guests
    with pytest.raises(JoinRefused, match="not_yours"):
        await bo.join("user:1")


async def test_read_receipts_and_unread_messages(
    endpoint: Endpoint, guests: tuple[Guest, Guest, Guest]
) -> None:
    """The members see who has read what. The counts are the same on all devices of a person, and never go back."""
    ann, bo, _ = guests
    topic = await private_room(ann, "Bo")
    mine, theirs = await ann.join(topic), await bo.join(topic)
    for body in ("One", "Two"):
        await say(mine, body)
    async with visit(endpoint, "Bo") as phone:
        own = await phone.join("user:2")
        [listed] = (await own.assert_push("rooms"))["rooms"]
        assert (listed["last_id"], listed["read"]) == (2, 0)
        theirs.push("read", {"id": 1})
        await mine.assert_push("read", {"name": "Bo", "id": 1})
        await own.assert_push("read", {"room": listed["name"], "id": 1})
        theirs.push("read", {"id": 99})
        await mine.assert_push("read", {"name": "Bo", "id": 2})
        theirs.push("read", {"id": 1})
        await own.assert_push("read", {"id": 2})
        await own.refute_push("read")
    assert (await bo.join(topic)).response["reads"] == {"Ann": 2, "Bo": 2}


async def test_open_room_has_counts_and_no_receipts(endpoint: Endpoint) -> None:
    """What was said before the account was made is not unread. In an open room nobody sees who has read what."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY)
        await say(lobby, "Before")
        async with visit(endpoint, "Bo") as bo:
            theirs = await bo.join(LOBBY)
            await say(lobby, "After")
            listed = await (await bo.join("rooms")).assert_push("rooms")
            counts = {one["name"]: (one["last_id"], one["read"]) for one in listed["rooms"]}
            assert counts["lobby"] == (2, 1)
            theirs.push("read", {"id": 2})
            await lobby.refute_push("read")
            assert theirs.response["reads"] == {}


# Editing and removing.


async def test_message_is_edited_and_removed_for_everybody(endpoint: Endpoint) -> None:
    """Only its author can edit a message. A removed message keeps its place and has no text any more."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, theirs, rooms = await ann.join(LOBBY), await bo.join(LOBBY), await bo.join("rooms")
        said = await say(lobby, "Helo")
        await lobby.push("edit", {"id": said["id"], "body": " Hello "}).assert_reply()
        edited = await theirs.assert_push("changed", {"body": "Hello", "edited_at": int})
        await rooms.assert_push("changed", edited)
        await theirs.push("edit", {"id": said["id"], "body": "Bye"}).assert_error("not_yours")
        await theirs.push("remove", {"id": said["id"]}).assert_error("not_yours")
        await lobby.push("edit", {"id": said["id"], "body": " "}).assert_error("empty_message")
        await lobby.push("remove", {"id": said["id"]}).assert_reply()
        await theirs.assert_push("changed", {"body": "", "removed_at": int})
        for event, payload in (("edit", {"id": 1, "body": "x"}), ("remove", {"id": 1})):
            await lobby.push(event, payload).assert_error("no_such_message")
        [shown] = await latest(theirs)
        assert (shown["body"], shown["removed_at"] is not None) == ("", True)


async def test_page_that_was_away_gets_the_changes(endpoint: Endpoint) -> None:
    """Edits and removals are in the history of the room, in their order."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby = await ann.join(LOBBY)
        said = await say(lobby, "Helo")
        offset, _, epoch = (await lobby.push("latest"))["position"].partition(":")
        await lobby.push("edit", {"id": said["id"], "body": "Hello"})
        await lobby.push("remove", {"id": said["id"]})
        recovery = {"epoch": epoch, "offset": int(offset), "client": "f1c0ffee00000000"}
        back = await bo.join(LOBBY, {"recovery": recovery})
        await back.assert_pushes(("changed", {"body": "Hello"}), ("changed", {"body": ""}))


async def test_member_who_was_removed_can_send_nothing(guests: tuple[Guest, Guest, Guest]) -> None:
    """The database is asked at each message: a channel that is still open is no way in."""
    ann, bo, _ = guests
    topic = await private_room(ann, "Bo")
    one, other = await bo.join(topic), await ann.join(topic)
    await other.push("kick", {"name": "Bo"}).assert_reply()
    await one.assert_push("kicked")
    await one.assert_closed()
    with pytest.raises((PushRefused, AssertionError)):
        await one.push("message", {"body": "Still here?", "key": new_key()}).response()
    await other.refute_push("message")
