"""Each key runs once: repeats, crashes, nodes that die, a store that is down. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bennu.errors import EncodeError, StoreUnavailable
from bennu.history.guard import STORE_TIMEOUT
from bennu.history.idempotence import LEASE, WAIT, NotRun, Once
from bennu.history.kept_reply import KeptReply, ReplyKind
from bennu.store import Claim, MemoryStore
from bennu.testing.clock import advance, running_loop, settle

DIGEST = b"d" * 16
TTL = 3600.0
SMALL = KeptReply(DIGEST, ReplyKind.JSON, "error", b'"too large"')


def kept(number: int, digest: bytes = DIGEST) -> KeptReply:
    return KeptReply(digest, ReplyKind.JSON, "ok", b"%d" % number)


class FaultyStore(MemoryStore):
    """A store that a test can take away.

    Attributes:
        is_down: Whether calls fail.
        hangs: Whether calls never return.
        loses_answers: Whether calls are done, and then fail.
        largest: Bytes of the largest value.
        calls: The methods that were called.
    """

    def __init__(self) -> None:
        super().__init__(running_loop().time)
        self.is_down = False
        self.hangs = False
        self.loses_answers = False
        self.largest = 1000
        self.calls: list[str] = []

    async def _answer(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        self.calls.append(name)
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_down:
            raise StoreUnavailable("the store is down")
        result = await call()
        if self.loses_answers:
            raise StoreUnavailable("the answer was lost")
        return result

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        call = super().claim
        found: Claim = await self._answer("claim", lambda: call(key, owner, seconds))
        return found

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        if len(value) > self.largest:
            raise EncodeError(f"a value has at most {self.largest} bytes")
        call = super().settle
        done: bool = await self._answer("settle", lambda: call(key, owner, value, seconds))
        return done

    async def release(self, key: str, owner: str) -> None:
        call = super().release
        await self._answer("release", lambda: call(key, owner))


class Fleet:
    """Some nodes over one store, and a handler that counts its calls.

    Attributes:
        store: The store.
        nodes: What runs the calls of each node.
        calls: How often the handler ran.
        gate: The handler waits for it.
        warnings: The lines of the log.
    """

    def __init__(self, count: int = 2) -> None:
        self.store = FaultyStore()
        self.warnings: list[str] = []
        self.nodes = [Once(self.store, self._warn, lambda _: SMALL) for _ in range(count)]
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def _warn(self, text: str, *values: Any) -> None:
        self.warnings.append(text % values)

    async def handler(self) -> KeptReply:
        """Count the call, wait for the gate, and answer with the number of the call."""
        self.calls += 1
        number = self.calls
        await self.gate.wait()
        return kept(number)

    async def push(
        self,
        node: int = 0,
        key: str = "k",
        digest: bytes = DIGEST,
        handler: Callable[[], Awaitable[KeptReply]] | None = None,
        *,
        survives: bool = False,
    ) -> KeptReply | NotRun:
        call = self.handler if handler is None else handler
        return await self.nodes[node].run(key, digest, TTL, call, survives=survives)

    def start(self, node: int = 0, **options: Any) -> asyncio.Task[KeptReply | NotRun]:
        return asyncio.create_task(self.push(node, **options))

    async def stop(self) -> None:
        for node in self.nodes:
            await node.stop()


async def test_a_repeat_gets_the_first_reply() -> None:
    fleet = Fleet()
    assert await fleet.push() == kept(1)
    for node in (0, 1, 0):
        assert await fleet.push(node) == kept(1)
    assert fleet.calls == 1
    assert await fleet.push(1, key="another") == kept(2)


async def test_the_reply_is_kept_for_the_ttl() -> None:
    fleet = Fleet()
    await fleet.push()
    await advance(TTL - 1)
    assert await fleet.push(1) == kept(1)
    await advance(1)
    assert await fleet.push(1) == kept(2)


async def test_another_payload_with_the_key_is_refused() -> None:
    fleet = Fleet()
    await fleet.push()
    assert await fleet.push(1, digest=b"e" * 16) is NotRun.REUSED
    assert fleet.calls == 1


@pytest.mark.parametrize("node", [0, 1])
async def test_a_repeat_waits_for_the_first(node: int) -> None:
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    repeats = [fleet.start(node) for _ in range(3)]
    await advance(5)
    assert not any(repeat.done() for repeat in repeats)
    fleet.gate.set()
    await advance(0.5)
    assert [one.result() for one in (first, *repeats)] == [kept(1)] * 4
    assert fleet.calls == 1


async def test_a_repeat_waits_for_a_limited_time() -> None:
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    begun = running_loop().time()
    assert await fleet.push(1) is NotRun.RUNNING
    assert WAIT <= running_loop().time() - begun <= WAIT + 0.5
    fleet.gate.set()
    assert await first == kept(1)
    assert await fleet.push(1) == kept(1)


async def test_of_many_pushes_at_the_same_time_one_runs() -> None:
    fleet = Fleet(3)
    pushes = [fleet.start(number % 3) for number in range(30)]
    await advance(1)
    assert {push.result() for push in pushes} == {kept(1)}
    assert fleet.calls == 1


async def test_a_long_handler_keeps_its_key() -> None:
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    for _ in range(20):
        await advance(LEASE / 2)
        assert await fleet.push(1) is NotRun.RUNNING
    fleet.gate.set()
    assert await first == kept(1)
    assert await fleet.push(1) == kept(1)
    assert fleet.calls == 1


async def fail() -> KeptReply:
    raise ValueError("a crash")


async def test_a_crash_releases_the_key() -> None:
    fleet = Fleet()
    with pytest.raises(ValueError, match="a crash"):
        await fleet.push(handler=fail)
    assert await fleet.push(1) == kept(1)


async def test_a_crash_wakes_a_repeat_that_waits() -> None:
    fleet = Fleet()

    async def fail_late() -> KeptReply:
        await asyncio.sleep(3)
        raise ValueError("a crash")

    first = fleet.start(handler=fail_late)
    await settle()
    repeat = fleet.start(1)
    await advance(4)
    assert isinstance(first.exception(), ValueError)
    assert repeat.result() == kept(1)


async def test_a_cancelled_handler_releases_the_key() -> None:
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    fleet.gate.set()
    assert await fleet.push(1) == kept(2)


async def test_a_handler_that_goes_on_in_a_thread_keeps_its_key_until_it_expires() -> None:
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start(survives=True)
    await settle()
    first.cancel()
    await settle()
    fleet.gate.set()
    assert await fleet.push(1) is NotRun.RUNNING
    await advance(LEASE - WAIT)
    assert await fleet.push(1) == kept(2)


async def test_a_plain_function_that_crashed_releases_the_key() -> None:
    fleet = Fleet()
    with pytest.raises(ValueError, match="a crash"):
        await fleet.push(handler=fail, survives=True)
    assert await fleet.push(1) == kept(1)


async def test_a_renewal_under_way_does_not_take_a_released_key() -> None:
    fleet = Fleet()

    async def fail_late() -> KeptReply:
        await asyncio.sleep(LEASE / 3)
        fleet.store.hangs = False
        raise ValueError("a crash")

    first = fleet.start(handler=fail_late)
    await settle()
    fleet.store.hangs = True  # for the renewal
    await advance(LEASE / 3)
    assert isinstance(first.exception(), ValueError)
    assert fleet.store.calls == ["claim", "claim"]  # the release waits for the renewal
    await advance(STORE_TIMEOUT)
    assert fleet.store.calls == ["claim", "claim", "release"]
    assert await fleet.push(1) == kept(1)


async def test_the_key_of_a_node_that_died_expires() -> None:
    fleet = Fleet()
    await fleet.store.claim("k", "a node that died", LEASE)
    assert await fleet.push(1) is NotRun.RUNNING
    await advance(LEASE - WAIT)
    assert await fleet.push(1) == kept(1)


async def test_without_the_store_nothing_runs() -> None:
    fleet = Fleet()
    fleet.store.is_down = True
    assert await fleet.push() is NotRun.UNAVAILABLE
    fleet.store.is_down = False
    fleet.store.hangs = True
    begun = running_loop().time()
    assert await fleet.push() is NotRun.UNAVAILABLE
    assert running_loop().time() - begun == STORE_TIMEOUT
    await advance(STORE_TIMEOUT)
    assert fleet.calls == 0
    fleet.store.hangs = False
    assert await fleet.push() == kept(1)
    assert fleet.warnings == []


async def test_a_claim_whose_answer_was_lost_is_released() -> None:
    fleet = Fleet()
    fleet.store.loses_answers = True
    assert await fleet.push() is NotRun.UNAVAILABLE
    await settle()
    fleet.store.loses_answers = False
    assert await fleet.push(1) == kept(1)


async def test_a_push_that_is_cancelled_before_its_handler_ran_releases_the_key() -> None:
    fleet = Fleet()
    fleet.store.hangs = True
    first = fleet.start()
    await settle()
    fleet.store.hangs = False
    first.cancel()
    await settle()
    assert fleet.store.calls == ["claim", "release"]


async def test_a_store_that_was_away_gets_the_reply_later() -> None:
    """The client gets its reply meanwhile."""
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    fleet.store.is_down = True
    fleet.gate.set()
    begun = running_loop().time()
    assert await first == kept(1)
    assert running_loop().time() - begun == STORE_TIMEOUT
    await advance(LEASE - 2 * STORE_TIMEOUT)
    fleet.store.is_down = False
    await advance(1)
    assert await fleet.push(1) == kept(1)
    assert (fleet.calls, fleet.warnings) == (1, [])


async def test_a_store_that_was_away_for_longer_than_the_claim_gets_the_reply() -> None:
    """Renewals fail too, so the claim has expired; but nobody else has taken the key."""
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    fleet.store.is_down = True
    await advance(2 * LEASE)
    fleet.gate.set()
    fleet.store.is_down = False
    assert await first == kept(1)
    assert await fleet.push(1) == kept(1)
    assert (fleet.calls, fleet.warnings) == (1, [])


async def test_a_store_that_stays_away_is_reported() -> None:
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    fleet.store.is_down = True
    fleet.gate.set()
    assert await first == kept(1)
    await advance(LEASE + 1)
    [warning] = fleet.warnings
    assert warning == (
        "A reply could not be kept, because the store was away for 30 s:"
        " a repeat of the push is handled again"
    )


async def test_a_push_that_was_handled_twice_is_reported() -> None:
    """A node that was cut off for longer than its claim: a repeat has run on another node."""
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    await fleet.store.release("k", "nobody")
    fleet.store.is_down = True
    await advance(2 * LEASE)
    fleet.store.is_down = False
    repeat = fleet.start(1)
    await settle()
    fleet.gate.set()
    assert await first == kept(1)
    assert await repeat == kept(2)
    assert fleet.warnings == [
        "A push was handled twice: the store was away for over 30 s, and a repeat has run"
    ]


async def test_a_settle_whose_answer_was_lost_is_no_second_run() -> None:
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    fleet.store.loses_answers = True
    fleet.gate.set()
    await advance(0.01)
    fleet.store.loses_answers = False
    assert await first == kept(1)
    assert (await fleet.push(1), fleet.warnings) == (kept(1), [])


async def test_a_cancellation_while_the_store_takes_the_reply_keeps_the_reply() -> None:
    fleet = Fleet()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    fleet.store.is_down = True
    fleet.gate.set()
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    fleet.store.is_down = False
    await advance(1)
    assert await fleet.push(1) == kept(1)


async def test_a_reply_that_is_too_large_is_not_kept() -> None:
    """Repeats get an error, but the handler does not run again."""
    fleet = Fleet()
    large = kept(0)._replace(response=b"x" * 1000)

    async def talk() -> KeptReply:
        return large

    assert await fleet.push(handler=talk) == large
    assert await fleet.push(1) == SMALL
    assert fleet.calls == 0
    [warning] = fleet.warnings
    assert warning == (
        "A reply can't be kept, so repeats of its push get an error: a value has at most 1000 bytes"
    )


async def test_a_store_that_takes_no_reply_at_all_is_reported() -> None:
    fleet = Fleet()
    fleet.store.largest = 10
    assert await fleet.push() == kept(1)
    assert fleet.warnings[-1] == "The store failed: EncodeError('a value has at most 10 bytes')"


async def test_a_reply_of_another_version_is_no_reply() -> None:
    fleet = Fleet()
    await fleet.store.claim("k", "other", LEASE)
    await fleet.store.settle("k", "other", b"\x07 from the future", TTL)
    assert await fleet.push() is NotRun.UNAVAILABLE
    assert "another version of Bennu" in fleet.warnings[0]


async def test_a_mistake_in_a_store_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet()

    async def claim(*_: Any) -> Claim:
        raise KeyError("a mistake")

    monkeypatch.setattr(FaultyStore, "claim", claim)
    with pytest.raises(KeyError, match="a mistake"):
        await fleet.push()


async def test_stop_ends_what_is_left() -> None:
    fleet = Fleet()
    before = asyncio.all_tasks()
    fleet.gate.clear()
    first = fleet.start()
    await settle()
    fleet.store.is_down = True
    fleet.gate.set()
    await settle()
    first.cancel()
    await settle()
    await fleet.stop()
    assert asyncio.all_tasks() == before
    await fleet.stop()


def test_a_coroutine_that_is_closed_after_its_loop_leaves_nothing() -> None:
    """At the end of a program, for example. The claim expires."""

    async def begin() -> Any:
        once = Once(MemoryStore(), print, lambda reply: reply)
        running = once.run("k", DIGEST, TTL, lambda: asyncio.sleep(0, kept(1)), survives=False)
        running.send(None)
        return running

    running = asyncio.run(begin())
    running.close()
