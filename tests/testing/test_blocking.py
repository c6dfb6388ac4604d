"""The kit without ``async``: the endpoint runs in a thread of its own."""

from __future__ import annotations

import threading

import pytest

from bennu.testing import ConnectRefused, JoinRefused, PushRefused
from bennu.testing.blocking import connect, running, virtual_time

from .rooms import Room, User, endpoint_of_rooms


def test_a_story_without_async() -> None:
    endpoint = endpoint_of_rooms()
    with (
        connect(endpoint, "/socket", {"name": "ann"}) as ann,
        connect(endpoint, "/socket", assigns=User("bo")) as bo,
    ):
        room, theirs = ann.join("room:1"), bo.join("room:1")
        assert (room.topic, room.response) == ("room:1", {"room": 1})
        assert room.push("new_msg", {"body": "Hi"}).response() == {"id": 1, "length": 2}
        theirs.assert_push("new_msg", {"body": "Hi"})
        room.push("new_msg", {"body": "x" * 30}).assert_error("invalid_payload")
        room.push("typing").refute_reply()
        theirs.assert_push("typing", {"name": "ann"})
        room.refute_push("typing")
        room.assert_broadcast("typing")
        room.refute_broadcast("typing")
        room.assert_present("bo", {"device": "phone"})
        assert isinstance(room.channel, Room)
        assert ann.assigns == User("ann")
        assert [channel.topic for channel in ann.channels()] == ["room:1"]
        endpoint.sync.broadcast("room:1", "news", {"text": "from a thread"})
        assert theirs.assert_pushes(("news", {"text": str}))
        theirs.leave()
        room.assert_absent("bo")
        room.push("crash").refute_reply()
        room.assert_crashed()


def test_refusals_are_raised() -> None:
    endpoint = endpoint_of_rooms()
    with pytest.raises(ConnectRefused, match="no name"), connect(endpoint, "/socket"):
        pytest.fail("connected")
    with running(endpoint), connect(endpoint, "/socket", {"name": "ann"}) as ann:
        with pytest.raises(JoinRefused, match="unauthorized"):
            ann.join("room:1", {"secret": True})
        room = ann.join("room:1")
        with pytest.raises(PushRefused, match="unknown_event"):
            room.push("unknown").response()


def test_time_is_virtual_on_request() -> None:
    endpoint = endpoint_of_rooms()
    with (
        virtual_time() as clock,
        connect(endpoint, "/socket", {"name": "ann"}) as ann,
        connect(endpoint, "/socket", {"name": "bo"}, heartbeats=False) as bo,
    ):
        room = ann.join("room:1")
        room.push("later", {"seconds": 3600})
        bo.heartbeat()
        bo.assert_closed(within=120)
        room.refute_push("now", within=3400)
        clock.advance(200)
        room.assert_push("now", within=0)
        ann.heartbeat()
        assert 3600 < clock.now < 3800


def test_a_client_that_vanishes_or_stalls() -> None:
    endpoint = endpoint_of_rooms()
    with connect(endpoint, "/socket", {"name": "ann"}) as ann:
        room = ann.join("room:1")
        with connect(endpoint, "/socket", {"name": "bo"}) as bo:
            bo.join("room:1")
            room.assert_present("bo")
            bo.stall()
            bo.resume()
            bo.vanish()
            assert bo.code == 1006
            room.assert_absent("bo")
        ann.close()
        assert ann.code == 1000


def test_the_thread_ends_with_the_last_block() -> None:
    before = threading.active_count()
    with connect(endpoint_of_rooms(), "/socket", {"name": "ann"}) as ann:
        room = ann.join("room:1")
        assert threading.active_count() > before
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="has ended"):
        room.push("new_msg")
