"""The broadcasts of followed topics, with what became of them."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from bennu.inspect import BroadcastSeen, Follow
from bennu.inspect.topic_watch import TopicWatch
from bennu.inspect.wanted import Wanted
from bennu.reasons import DropReason
from bennu.telemetry import Account


def follow() -> Follow:
    return Follow(
        Wanted(topic="room:1"), limit=9, hide=lambda _: "hidden", now=0.0, stop=lambda _: None
    )


def test_the_account_tells_where_it_went() -> None:
    """What the account had before does not count."""
    one = follow()
    watch = TopicWatch([one], lambda: 5.0)
    account = Account()
    account.due = account.delivered = 10
    account.drop(DropReason.SLOW_OLDEST, 2)
    account.drop(DropReason.NO_BINARY, 1)
    went = watch.begin("room:1", "said", account, "node-2", "7:abc")
    assert went is not None
    account.due += 4
    account.own += 1
    account.waiting += 1
    account.drop(DropReason.SLOW_OLDEST)
    account.drop(DropReason.SLOW_ENDED)
    went(Raw(b'{"a":1}'))
    [seen] = one.ready()
    assert isinstance(seen, BroadcastSeen)
    assert (seen.at, seen.payload, seen.size) == (5.0, "hidden", 7)
    assert (seen.due, seen.delivered, seen.own, seen.waiting) == (4, 0, 1, 1)
    assert seen.dropped == {"slow_oldest": 1, "slow_ended": 1}
    assert (seen.node, seen.position) == ("node-2", "7:abc")


def test_a_follow_without_room_only_counts() -> None:
    full = Follow(
        Wanted(topic="room:1"), limit=0, keep="oldest", hide=str, now=0.0, stop=lambda _: None
    )
    assert TopicWatch([full], lambda: 0.0).begin("room:1", "said", Account()) is None
    one = follow()
    went = TopicWatch([full, one], lambda: 0.0).begin("room:1", "said", Account())
    assert went is not None
    went(b"")
    assert (full.dropped, full.ready(), len(one.ready())) == (2, [], 1)


def test_payloads_of_any_kind() -> None:
    """Bytes stay bytes. What can't be encoded is null: nobody got it."""
    one = follow()
    watch = TopicWatch([one], lambda: 0.0)
    payloads: list[Any] = [b"\x00", {"a": 1}, object()]
    for payload in payloads:
        went = watch.begin("room:1", "said", Account())
        assert went is not None
        went(payload)
    assert [(seen.payload, seen.size) for seen in one.ready()] == [  # type: ignore[union-attr]  # all are broadcasts
        (b"\x00", 1),
        ("hidden", 7),
        ("hidden", 4),
    ]


def test_topics_that_nobody_follows() -> None:
    assert TopicWatch([follow()], lambda: 0.0).begin("room:2", "said", Account()) is None
