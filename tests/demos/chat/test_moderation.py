"""Moderators, filters and notifications."""

from __future__ import annotations

from pathlib import Path

import pytest

from bennu import Endpoint, Refused
from bennu.testing import ConnectRefused, JoinRefused, connect
from bennu_demos.chat.app import make
from bennu_demos.chat.filters import WordFilter
from bennu_demos.chat.notifications import mentioned

from .guests import LOBBY, PYTHON, QUICK, account, new_key, say, token_of, visit


async def test_moderator_removes_any_message(endpoint: Endpoint) -> None:
    """The first account is that of a moderator."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, theirs = await ann.join(LOBBY), await bo.join(LOBBY)
        assert lobby.response["may_moderate"] is True
        assert theirs.response["may_moderate"] is False
        said = await say(theirs, "Buy my things")
        await lobby.push("remove", {"id": said["id"]}).assert_reply()
        await theirs.assert_push("changed", {"id": said["id"], "body": ""})


async def test_muted_person_reads_and_writes_nothing(endpoint: Endpoint) -> None:
    """The person is told until when. The other rooms are open, and a moderator can end the mute."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, theirs, own = await ann.join(LOBBY), await bo.join(LOBBY), await bo.join("user:2")
        await lobby.push("mute", {"name": "Bo", "minutes": 10}).assert_reply()
        await own.assert_push("notification", {"kind": "muted", "text": "10 minutes"})
        refused = theirs.push("message", {"body": "But", "key": new_key()})
        await refused.assert_error({"reason": "muted", "until": int})
        await say(await bo.join(PYTHON), "Here I can")
        await lobby.push("mute", {"name": "Bo", "minutes": 0}).assert_reply()
        await say(theirs, "Thanks")


async def test_person_who_is_removed_from_a_room_is_in_the_others(endpoint: Endpoint) -> None:
    """All devices leave the room at once, and stay out for some minutes. The connection goes on."""
    async with (
        visit(endpoint, "Ann") as ann,
        visit(endpoint, "Bo") as bo,
        visit(endpoint, "Bo") as phone,
    ):
        lobby, python = await ann.join(LOBBY), await bo.join(PYTHON)
        devices = [await bo.join(LOBBY), await phone.join(LOBBY)]
        await lobby.assert_present("user:Bo", metas=2)
        await lobby.push("kick", {"name": "Bo"}).assert_reply()
        for room in devices:
            await room.assert_push("kicked", {"until": int})
            await room.assert_closed()
        await lobby.assert_absent("user:Bo")
        with pytest.raises(JoinRefused, match="kicked"):
            await phone.join(LOBBY)
        await say(python, "I am still here")


async def test_blocked_person_is_out_of_the_chat(endpoint: Endpoint) -> None:
    """All connections end, and neither the token nor the password lets the person in."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        own = await ann.join("user:1")
        await bo.join(LOBBY)
        signed = token_of(endpoint, await account(endpoint, "Bo"))
        await own.push("block", {"name": "Bo"}).assert_reply()
        await bo.assert_closed()
        with pytest.raises(ConnectRefused, match="logged_out"):
            async with connect(endpoint, "/socket", auth_token=signed):
                pass
        with pytest.raises(Refused, match="blocked"):
            await account(endpoint, "Bo")


@pytest.mark.parametrize("event", ["mute", "kick"])
async def test_only_moderators_moderate(endpoint: Endpoint, event: str) -> None:
    """The person who has made a room moderates it too. Nobody does it to themselves."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo") as bo:
        lobby, theirs = await ann.join(LOBBY), await bo.join(LOBBY)
        await theirs.push(event, {"name": "Ann"}).assert_error("not_a_moderator")
        await lobby.push(event, {"name": "Ann"}).assert_error("yourself")
        await (
            (await bo.join("user:2")).push("block", {"name": "Ann"}).assert_error("not_a_moderator")
        )
        await (await bo.join("rooms")).push("new_room", {"name": "party"})
        party = await bo.join("room:party")
        await party.push(event, {"name": "Ann"}).assert_reply()


# Notifications.


async def test_mention_is_a_notification_on_all_devices(endpoint: Endpoint) -> None:
    """It is stored until it is read, and read on one device is read on all."""
    async with visit(endpoint, "Ann") as ann, visit(endpoint, "Bo Lee") as bo:
        lobby, own = await ann.join(LOBBY), await bo.join("user:2")
        await say(lobby, "Hello @Bo Lee, is @Nobody here? And @Ann?")
        made = await own.assert_push("notification", {"kind": "mention", "by": "Ann"})
        async with visit(endpoint, "Bo Lee") as phone:
            other = await phone.join("user:2")
            listed = await other.assert_push("notifications")
            assert listed["notifications"] == [made]
            await own.push("read_notifications", {"id": made["id"]}).assert_reply()
            await other.assert_push("notifications_read", {"id": made["id"]})
        again = await bo.join("user:2")
        [listed_again] = (await again.assert_push("notifications"))["notifications"]
        assert listed_again["is_read"] is True


def test_texts_that_can_be_names() -> None:
    """A name can have several words; an address is no mention."""
    assert {"Ann", "Ann Lee"} <= mentioned("@Ann Lee, hi")
    assert "Bo" in mentioned("Is (@Bo) here?") | mentioned("Hi @Bo.")
    assert not mentioned("ann@example.com")


# The filter.


async def test_filter_masks_and_refuses_words(endpoint: Endpoint) -> None:
    """Whole words in any case. An edit is no way around."""
    async with visit(endpoint, "Ann") as ann:
        lobby = await ann.join(LOBBY)
        said = await say(lobby, "Darn it, \uff24\uff21\uff32\uff2e, but darning is fine")
        assert said["body"] == "**** it, ****, but darning is fine"
        refused = lobby.push("message", {"body": "Buy viagra", "key": new_key()})
        await refused.assert_error("unwanted_words")
        edit = lobby.push("edit", {"id": said["id"], "body": "Buy VIAGRA"})
        await edit.assert_error("unwanted_words")


def test_filter_of_no_words_lets_all_pass() -> None:
    """Comments and empty lines are no words."""
    assert WordFilter(["# darn", "", " "]).check("# darn") == "# darn"


async def test_filter_can_be_another(database: Path | str) -> None:
    """A filter is any object with the method."""

    class Loud:
        def check(self, text: str) -> str:
            return text.upper()

    async with visit(make(database, words=Loud(), hasher=QUICK), "Ann") as ann:
        assert (await say(await ann.join(LOBBY), "hi"))["body"] == "HI"
