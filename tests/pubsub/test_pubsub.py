"""PubSub: the listeners of topics, their messages, and the listeners that a broadcast skips."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Struct

from bennu import Broadcast
from bennu.pubsub import PubSub
from bennu.pubsub.fastlane import MAX_ENTRIES
from bennu.testing.clock import settle

from ..support.inside import topics_of
from .outboxes import Member, RecordingOutbox, key_for


class Price(Struct, frozen=True):
    """A message of the application."""

    cents: int


HELLO = Broadcast("A", "hello", {})


@pytest.mark.conformance("PS002", "PS003")
async def test_a_listener_hears_its_topic_until_it_cancels() -> None:
    """``subscribe`` adds a listener, and ``cancel`` removes it."""
    pubsub = PubSub()
    heard: list[Any] = []
    subscription = pubsub.subscribe("A", heard.append)
    assert pubsub.subscribers("A") == 1
    await pubsub.broadcast("A", HELLO)
    subscription.cancel()
    assert pubsub.subscribers("A") == 0
    await pubsub.broadcast("A", HELLO)
    assert heard == [HELLO]


@pytest.mark.conformance("PS004")
async def test_other_topics_hear_nothing() -> None:
    """A listener gets only messages of exactly its topic."""
    pubsub = PubSub()
    heard: list[Any] = []
    for topic in ("B", "a", "A ", ""):
        pubsub.subscribe(topic, heard.append)
    await pubsub.broadcast("A", HELLO)
    assert heard == []


@pytest.mark.conformance("PS005")
async def test_broadcast_from_passes_by_the_listeners_of_the_sender() -> None:
    """The sender is the listeners' owner. A listener without an owner gets every message."""
    pubsub = PubSub()
    sender, other = object(), object()
    heard: list[str] = []
    for owner, name in ((sender, "sender"), (other, "other"), (None, "nobody's")):
        pubsub.subscribe("A", lambda _, name=name: heard.append(name), owner=owner)  # type: ignore[misc]
    await pubsub.broadcast_from(sender, "A", HELLO)
    assert heard == ["other", "nobody's"]


@pytest.mark.conformance("PS006")
async def test_cancelling_twice_does_no_harm() -> None:
    """A second ``cancel`` has no effect on other subscriptions to the topic."""
    pubsub = PubSub()
    heard: list[Any] = []
    first = pubsub.subscribe("A", heard.append)
    first.cancel()
    first.cancel()
    second = pubsub.subscribe("A", heard.append)
    first.cancel()
    await pubsub.broadcast("A", HELLO)
    assert heard == [HELLO]
    second.cancel()
    second.cancel()


@pytest.mark.conformance("PS009", "PS010")
async def test_local_broadcasts_reach_this_nodes_listeners() -> None:
    """With a sender, the listeners of that sender are skipped."""
    pubsub = PubSub()
    sender = object()
    heard: list[Any] = []
    pubsub.subscribe("A", heard.append, owner=sender)
    pubsub.local_broadcast("A", HELLO)
    assert heard == [HELLO]
    pubsub.local_broadcast("A", HELLO, sender=sender)
    assert heard == [HELLO]


async def test_two_subscriptions_deliver_twice_and_end_one_by_one() -> None:
    """Each subscription has its own end. Phoenix's unsubscribe ends all subscriptions of a process."""
    pubsub = PubSub()
    heard: list[Any] = []
    first, second = (pubsub.subscribe("A", heard.append) for _ in range(2))
    await pubsub.broadcast("A", HELLO)
    assert heard == [HELLO, HELLO]
    first.cancel()
    await pubsub.broadcast("A", HELLO)
    assert heard == [HELLO, HELLO, HELLO]
    second.cancel()


async def test_a_message_of_another_type_reaches_listeners_as_it_is_and_no_client() -> None:
    """A message that is no Broadcast is sent to no client. Listeners get the object unchanged."""
    pubsub = PubSub()
    heard: list[Any] = []
    outbox = RecordingOutbox()
    pubsub.enter("A", key_for(), outbox, Member(outbox))
    pubsub.subscribe("A", heard.append)
    price = Price(5)
    await pubsub.broadcast("A", price)
    await settle()
    assert heard == [price]
    assert heard[0] is price
    assert outbox.writes == 0


async def test_a_listener_may_cancel_itself_while_it_hears() -> None:
    """The other listeners of that broadcast still get it."""
    pubsub = PubSub()
    heard: list[str] = []

    def once(message: Any) -> None:
        heard.append("once")
        subscription.cancel()

    subscription = pubsub.subscribe("A", once)
    pubsub.subscribe("A", lambda _: heard.append("always"))
    await pubsub.broadcast("A", HELLO)
    await pubsub.broadcast("A", HELLO)
    assert heard == ["once", "always", "always"]


async def test_a_listener_that_raises_spoils_it_for_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The exception is logged, and the other listeners get the message. The caller gets no error."""
    pubsub = PubSub()
    heard: list[Any] = []

    def bad(message: Any) -> None:
        raise ZeroDivisionError("in a listener")

    pubsub.subscribe("A", bad)
    pubsub.subscribe("A", heard.append)
    await pubsub.broadcast("A", HELLO)
    assert heard == [HELLO]
    [record] = caplog.records
    assert "'A'" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_clients_and_listeners_are_counted_together() -> None:
    """``subscribers()`` counts clients and listeners. A topic without subscribers is forgotten."""
    pubsub = PubSub()
    assert pubsub.subscribers("A") == 0
    first, second = RecordingOutbox(), RecordingOutbox()
    pubsub.enter("A", key_for(), first, Member(first))
    pubsub.enter("A", key_for(intercepts="x"), second, Member(second))
    subscription = pubsub.subscribe("A", lambda _: None)
    assert pubsub.subscribers("A") == 3
    subscription.cancel()
    pubsub.leave("A", key_for(), first)
    pubsub.leave("A", key_for(intercepts="x"), second)
    assert pubsub.subscribers("A") == 0
    assert not topics_of(pubsub)


async def test_a_broadcast_to_nobody_is_well() -> None:
    """A broadcast without subscribers is no error."""
    pubsub = PubSub()
    await pubsub.broadcast("A", HELLO)
    await pubsub.broadcast_from(object(), "A", HELLO)


@pytest.mark.parametrize("from_somebody", [False, True])
async def test_a_loop_of_broadcasts_lets_others_have_their_turn(from_somebody: bool) -> None:
    """If the batch of a turn is full, ``await broadcast`` lets other tasks run."""
    pubsub = PubSub()
    outbox = RecordingOutbox()
    pubsub.enter("A", key_for(), outbox, Member(outbox))
    said_when_it_ran = -1

    async def other() -> None:
        nonlocal said_when_it_ran
        said_when_it_ran = said

    said = 0
    task = asyncio.create_task(other())
    for said in range(1, 2 * MAX_ENTRIES):  # noqa: B007 - the other task reads it
        if from_somebody:
            await pubsub.broadcast_from(object(), "A", HELLO)
        else:
            await pubsub.broadcast("A", HELLO)
    assert said_when_it_ran == MAX_ENTRIES
    await task
    await settle()
    assert len(outbox.received) == 2 * MAX_ENTRIES - 1


def test_it_may_be_used_on_another_loop_once_unbound() -> None:
    """An endpoint that was stopped can start again on another event loop."""
    pubsub = PubSub()
    outbox = RecordingOutbox()

    async def use() -> None:
        pubsub.enter("A", key_for(), outbox, Member(outbox))
        await pubsub.broadcast("A", HELLO)
        await asyncio.sleep(0)  # the end of the turn
        pubsub.leave("A", key_for(), outbox)
        pubsub.unbind()

    asyncio.run(use())
    asyncio.run(use())
    assert len(outbox.received) == 2
