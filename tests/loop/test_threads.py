"""The worker threads: they are shared fairly, have the context of each channel, and run within ``around``."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections import Counter
from collections.abc import Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from bennu import Channel, DefinitionError, Endpoint, Presence, Socket, Threads, on
from bennu.errors import CallbackError
from bennu.loop.threads import Pool, Pools
from bennu.testing.clock import running_loop, settle
from bennu.user_code.callback import Callback
from tests.support.clock import work

from ..support.frames import ok
from ..support.memory import Over, all_transports, endpoint_of, serve

USER: ContextVar[str] = ContextVar("user", default="nobody")


class Gate:
    """A function that runs until it is released, and counts its calls."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.order: list[str] = []
        self.may_go = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, owner: str) -> str:
        with self._lock:
            self.running[owner] += 1
            self.order.append(owner)
        assert self.may_go.wait(30)
        with self._lock:
            self.running[owner] -= 1
        return owner


class Owner:
    """A connection: what the pool remembers of it must end with its functions."""


async def until(condition: Any) -> None:
    """Let the event loop and the threads run until a condition is true."""
    while not condition():
        await asyncio.to_thread(threading.Event().wait, 0.001)


async def test_an_owner_has_no_more_than_its_share() -> None:
    """Functions above an owner's share wait, also if threads are free. Other owners' functions run."""
    gate = Gate()
    pool = Pool("test", 8, 3, None)
    callback = Callback("gate", gate)
    owner = Owner()
    forgotten = weakref.ref(owner)
    greedy = [asyncio.create_task(pool.run(owner, callback, ("greedy",))) for _ in range(20)]
    modest = asyncio.create_task(pool.run("modest", callback, ("modest",)))
    await until(lambda: gate.running.total() == 4)
    assert gate.running == {"greedy": 3, "modest": 1}
    gate.may_go.set()
    assert await asyncio.gather(*greedy, modest) == ["greedy"] * 20 + ["modest"]
    del owner, greedy
    gc.collect()
    assert forgotten() is None
    pool.drop()


async def test_owners_that_wait_take_turns() -> None:
    """An owner with many functions waits as long as an owner with one."""
    gate = Gate()
    pool = Pool("test", 1, 1, None)
    callback = Callback("gate", gate)
    tasks = [asyncio.create_task(pool.run("greedy", callback, ("greedy",))) for _ in range(50)]
    await settle_for_real()
    tasks += [asyncio.create_task(pool.run("modest", callback, ("modest",))) for _ in range(2)]
    await settle_for_real()
    gate.may_go.set()
    await asyncio.gather(*tasks)
    assert gate.order[:5] == ["greedy", "modest", "greedy", "modest", "greedy"]
    pool.drop()


async def settle_for_real() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_no_longer_waits_takes_no_thread() -> None:
    """A cancelled function that has not begun takes no thread, and blocks no other function."""
    gate = Gate()
    pool = Pool("test", 1, 1, None)
    callback = Callback("gate", gate)
    first = asyncio.create_task(pool.run("one", callback, ("first",)))
    owner = Owner()
    forgotten = weakref.ref(owner)
    gone = asyncio.create_task(pool.run(owner, callback, ("gone",)))
    last = asyncio.create_task(pool.run("three", callback, ("last",)))
    await until(lambda: gate.order == ["first"])
    gone.cancel()
    gate.may_go.set()
    assert await first == "first"
    assert await last == "last"
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert gate.order == ["first", "last"]
    del owner, gone
    gc.collect()
    assert forgotten() is None
    pool.drop()


async def test_a_thread_is_taken_until_its_function_has_ended() -> None:
    """A thread is busy until its function ends, also if the task was cancelled. So a client can't exceed its share."""
    running_loop().clock.waits_for_threads = False
    gate = Gate()
    pool = Pool("test", 4, 1, None)
    callback = Callback("gate", gate)
    gone = asyncio.create_task(pool.run("one", callback, ("gone",)))
    await until(lambda: gate.running["gone"] == 1)
    gone.cancel()
    after = asyncio.create_task(pool.run("one", callback, ("after",)))
    await settle_for_real()
    assert gate.order == ["gone"]
    gate.may_go.set()
    assert await after == "after"
    pool.drop()


async def test_connects_and_hooks_never_wait_for_handlers() -> None:
    """Each kind of function has its own threads."""
    gate = Gate()
    pools = Pools(Threads(handlers=2, per_connection=1, connects=1, hooks=1))
    flood = [
        asyncio.create_task(pools.handlers.run(n, Callback("gate", gate), ("flood",)))
        for n in range(20)
    ]
    await until(lambda: gate.running["flood"] == 2)
    quick = Callback("quick", lambda: "done")
    assert await pools.connects.in_thread(quick) == "done"
    assert await pools.hooks.in_thread(quick) == "done"
    assert gate.running["flood"] == 2
    gate.may_go.set()
    await asyncio.gather(*flood)
    pools.drop()


# Contexts.


class Room(Channel):
    """Sets and reads a context variable, in threads and on the event loop."""

    @on("set")
    def set(self, payload: str) -> dict[str, str]:
        USER.set(payload)
        return {}

    @on("set later")
    async def set_later(self, payload: str) -> dict[str, str]:
        USER.set(payload)
        return {}

    @on("get")
    def get(self) -> dict[str, str]:
        return {"user": USER.get()}

    @on("get later")
    async def get_later(self) -> dict[str, str]:
        return {"user": USER.get()}


async def connect_async(params: dict[str, str]) -> None:
    USER.set(params["name"])


def connect_plain(params: dict[str, str]) -> None:
    USER.set(params["name"])


@all_transports
@pytest.mark.parametrize("connect", [connect_async, connect_plain])
async def test_a_channel_sees_what_connect_set(over: Over, connect: Any) -> None:
    """Under every transport, in a thread and on the event loop. No client sees the value of another client."""
    async with serve(endpoint_of({"room:*": Room}, connect=connect, id=None)) as server:
        ann = await server.connect(over=over, params={"name": "ann"})
        bob = await server.connect(over=over, params={"name": "bob"})
        for name, client in (("ann", ann), ("bob", bob)):
            assert await client.join("room:1") == ok()
            for event in ("get", "get later"):
                assert await client.call("room:1", event) == ok({"user": name})


@all_transports
async def test_what_a_plain_handler_sets_is_seen_by_nobody_else(over: Over) -> None:
    """Each call has a copy of its channel's context, as with asyncio.to_thread."""
    async with serve(endpoint_of({"room:*": Room}, id=None)) as server:
        ann, bob = await server.connect(over=over), await server.connect(over=over)
        for client in (ann, bob):
            assert await client.join("room:1") == ok()
            assert await client.join("room:2") == ok()
        for _ in range(40):  # more often than there are threads
            assert await ann.call("room:1", "set", "ann") == ok()
        for client in (ann, bob):
            assert await client.call("room:1", "get") == ok({"user": "nobody"})
        assert await ann.call("room:1", "set later", "ann") == ok()
        assert await ann.call("room:1", "get") == ok({"user": "ann"})
        assert await ann.call("room:2", "get") == ok({"user": "nobody"})
        assert await bob.call("room:1", "get") == ok({"user": "nobody"})


@all_transports
async def test_a_channel_sees_what_middleware_set(over: Over) -> None:
    """A variable that a middleware sets is set when connect runs, and stays set."""

    class WithUser(Endpoint):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            token = USER.set("of middleware")
            try:
                await super().__call__(scope, receive, send)
            finally:
                USER.reset(token)

        async def serve_native(self, scope: Any, native: Any) -> None:
            token = USER.set("of middleware")
            try:
                await super().serve_native(scope, native)
            finally:
                USER.reset(token)

    socket: Socket[None] = Socket(connect=lambda: None, channels={"room:*": Room}, longpoll=True)
    async with serve(WithUser(sockets={"/socket": socket})) as server:
        client = await server.connect(over=over)
        assert await client.join("room:1") == ok()
        for event in ("get", "get later"):
            assert await client.call("room:1", event) == ok({"user": "of middleware"})


async def test_a_refresh_sets_what_channels_see_that_join_later() -> None:
    """Channels that joined before keep their own values."""

    def refresh(token: str, info: Any) -> None:
        USER.set(token)

    options: dict[str, Any] = {"connect": connect_async, "id": None, "refresh": refresh}
    async with serve(endpoint_of({"room:*": Room}, **options)) as server:
        client = await server.connect(params={"name": "ann"})
        assert await client.join("room:1") == ok()
        client.push("phoenix", "token", {"token": "anna"}, ref="9")
        assert (await client.receive()).payload == ok()
        assert await client.join("room:2") == ok()
        assert await client.call("room:1", "get") == ok({"user": "ann"})
        assert await client.call("room:2", "get") == ok({"user": "anna"})


async def test_hooks_of_presences_see_no_client() -> None:
    """Hooks have the context of the lifespan, because they run for many clients."""
    seen: list[str] = []

    async def joined(topic: str, key: str, metas: Any) -> None:
        seen.append(USER.get())

    presence = Presence(joined=joined, window=0)

    class Tracked(Channel):
        async def after_join(self) -> None:
            USER.set("client")
            await presence.track(self, "ann")

    @asynccontextmanager
    async def lifespan() -> Any:
        USER.set("server")
        yield

    async with serve(
        endpoint_of({"room": Tracked}, presence=presence, lifespan=lifespan, id=None)
    ) as server:
        client = await server.connect()
        client.start_join("room")
        await work(0.1)
        assert seen == ["server"]


# Around each call.


async def test_each_call_in_a_thread_runs_within_what_the_application_wants() -> None:
    """Connects, handlers and hooks in threads run within the context manager. Async functions do not."""
    order: list[str] = []

    @contextmanager
    def around() -> Generator[None]:
        order.append("begin")
        try:
            yield
        finally:
            order.append("end")

    class Plain(Channel):
        @on("plain")
        def plain(self) -> dict[str, str]:
            order.append("plain")
            return {}

        @on("async")
        async def later(self) -> dict[str, str]:
            order.append("async")
            return {}

    def connect() -> None:
        order.append("connect")

    socket: Socket[None] = Socket(connect=connect, channels={"room": Plain})
    endpoint = Endpoint(sockets={"/socket": socket}, threads=Threads(around=around))
    async with serve(endpoint) as server:
        client = await server.connect()
        assert await client.join("room") == ok()
        assert await client.call("room", "plain") == ok()
        assert await client.call("room", "async") == ok()
    assert order == ["begin", "connect", "end", "begin", "plain", "end", "async"]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, StopIteration])
async def test_a_crash_of_what_is_around_is_a_crash_of_the_call(
    kind: type[BaseException],
) -> None:
    """An ``around`` that raises fails the call, and ends no thread."""

    class Broken:
        def __enter__(self) -> None:
            raise kind

        def __exit__(self, *_: object) -> None: ...

    pool = Pool("test", 1, 1, Callback("Threads(around=...)", Broken))
    for _ in range(3):
        with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind
            await pool.run("one", Callback("test", lambda: None), ())
    pool.drop()


async def test_what_is_around_must_be_a_context_manager() -> None:
    """A missing decorator is found at once, and other mistakes at the first call."""

    def generator() -> Any:
        yield

    async def later() -> Any: ...

    for wrong in (generator, later, lambda endpoint: None, 5):
        with pytest.raises(DefinitionError):
            Threads(around=wrong)  # type: ignore[arg-type]
    pool = Pool("test", 1, 1, Threads(around=lambda: None).around)  # type: ignore[arg-type, return-value]
    with pytest.raises(CallbackError, match="context manager"):
        await pool.run("one", Callback("test", lambda: None), ())
    pool.drop()


@pytest.mark.parametrize("name", ["handlers", "per_connection", "connects", "hooks"])
@pytest.mark.parametrize("number", [0, -1, True, "4", 1.5, None])
def test_a_number_of_threads_is_above_zero(name: str, number: Any) -> None:
    """A number of threads must be above zero."""
    with pytest.raises(DefinitionError, match=f"Threads\\({name}="):
        Threads(**{name: number})


def test_the_option_of_the_endpoint_is_checked() -> None:
    """The option takes ``Threads``, and refuses a number."""
    with pytest.raises(DefinitionError, match="Endpoint"):
        Endpoint(sockets={}, threads=8)  # type: ignore[arg-type]


async def test_what_was_dropped_is_told_nothing() -> None:
    """After a drop the pool starts again, also if the old threads still run."""
    running_loop().clock.waits_for_threads = False
    gate = Gate()
    pool = Pool("test", 1, 1, None)
    callback = Callback("gate", gate)
    old = asyncio.create_task(pool.run("one", callback, ("old",)))
    await until(lambda: gate.order == ["old"])
    pool.drop()
    gate.may_go.set()
    assert await pool.run("one", callback, ("new",)) == "new"
    assert await old == "old"
    assert await pool.run("two", callback, ("later",)) == "later"
    await settle()
    pool.drop()
