"""A publisher for code without an event loop: Celery tasks, scripts, cron jobs, views of Django and Flask.

Theory of operation
-------------------
A :class:`BlockingPublisher` runs a :class:`~bennu.Publisher` on an event loop of its own, in one background thread, which
the first call starts. Calls of several threads share it.

A child of ``fork`` has no background thread. There the first call starts a new one, with a new connection. What the child
has of its parent's event loop is kept and never closed: to close it would take the parent's sockets out of the selector
that both processes share.

The background thread is a daemon, so it does not keep the interpreter alive. At its exit the interpreter stops all
publishers, which waits until the bus has taken what was sent.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from weakref import WeakSet

from ..bus.bus import BusAdapter
from ..errors import NotConfirmed, NotStarted, WrongThread
from ..history.history import History
from ..logs.log import Log
from ..loop.background import BackgroundLoop
from ..loop.forks import watch
from ..store.store import Store
from .of_endpoint import HasPubSub
from .publisher import TIMEOUT, Publisher

__all__ = ["BlockingPublisher"]

T = TypeVar("T")

NAME: Final = "bennu-publisher"

_inherited: list[BackgroundLoop] = []
"""The event loops that a child has of its parent."""

_publishers: WeakSet[BlockingPublisher] = WeakSet()


class BlockingPublisher:
    """Sends messages to the clients of an application, and blocks until the bus has taken them.

    Make one for a process, for example at the top of a module: the first call connects to the bus. It can be used in
    several threads, and in children of ``fork``. On an event loop use :class:`~bennu.Publisher`.

    Args:
        address: The address of the bus, as in ``Endpoint(pubsub=...)``, or a :class:`~bennu.bus.BusAdapter`. Default:
            None, the variable BENNU_PUBSUB.
        messages: The classes of typed messages for :meth:`send`, as in ``Endpoint(messages=...)``. Default: none.
        timeout: The most seconds for which a call waits for the bus. Default: 10.
        store: The store of the endpoint, which keeps the logs of topics with history: an address or a
            :class:`~bennu.store.Store`. Default: None, the variable BENNU_STORE if there are ``histories``.
        histories: Which topics have history: the history of each topic pattern of the endpoint, as in
            ``{"room:*": RoomChannel.history}``. Default: None, no topic has history.

    Raises:
        DefinitionError: There is no address, or it can't be used, or a class of ``messages`` has no JSON form. Or there is a
            store without histories, histories without a store, or the store is in the memory of one process.

    Example:
        ``publisher = BlockingPublisher("redis://cache:6379")``
        ``publisher.broadcast("room:1", "news", {"text": "hello"})``
    """

    def __init__(
        self,
        address: str | BusAdapter | None = None,
        *,
        messages: Sequence[type] = (),
        timeout: float = TIMEOUT,
        store: str | Store | None = None,
        histories: Mapping[str, History] | None = None,
    ) -> None:
        self._begin(
            Publisher(address, messages=messages, timeout=timeout, store=store, histories=histories)
        )

    @classmethod
    def of(cls, endpoint: HasPubSub, *, timeout: float = TIMEOUT) -> Self:
        """Do what ``Publisher.of(...)`` does: return a publisher with the bus, the store and the histories of an endpoint."""
        made = cls.__new__(cls)
        made._begin(Publisher.of(endpoint, timeout=timeout))
        return made

    def _begin(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._lock = threading.Lock()
        self._loop: BackgroundLoop | None = None
        self._log = Log("bennu.publisher")
        _publishers.add(self)
        watch(self)

    @property
    def address(self) -> str:
        """The address of the bus, without a password."""
        return self._publisher.address

    @property
    def is_started(self) -> bool:
        """Whether the publisher is started in this process."""
        return self._loop is not None

    # Start and stop.

    def start(self) -> None:
        """Connect to the bus. The first call of another method does it, too.

        Raises:
            DefinitionError: The address of the bus can't be used.
            NotStarted: The publisher has an adapter that belongs to the parent of this process.
            WrongThread: This thread runs an event loop.
        """
        _expect_no_loop("start")
        self._started()

    def stop(self) -> None:
        """Wait until the bus has confirmed everything, and disconnect. Without a start this does nothing.

        Raises:
            NotConfirmed: The bus has not confirmed in time. The publisher is stopped all the same.
            WrongThread: This thread runs an event loop.
        """
        _expect_no_loop("stop")
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            loop.call(self._publisher.stop)
        finally:
            loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
            return
        try:
            self.stop()
        except NotConfirmed as unconfirmed:  # the block's own error is not replaced by another one
            self._log.warning("%s", unconfirmed)

    # Messages.

    def broadcast(
        self, topic: str, event: str, payload: Any = None, *, confirm: bool = True
    ) -> int | None:
        """Do what ``await Publisher.broadcast(...)`` does."""

        async def broadcast() -> int | None:
            return await self._publisher.broadcast(topic, event, payload, confirm=confirm)

        return self._call("broadcast", broadcast)

    def send(self, topic: str, message: Any, *, confirm: bool = True) -> int | None:
        """Do what ``await Publisher.send(...)`` does."""

        async def send() -> int | None:
            return await self._publisher.send(topic, message, confirm=confirm)

        return self._call("send", send)

    def disconnect(self, id: str, *, confirm: bool = True) -> int | None:  # noqa: A002 - Phoenix's name
        """Do what ``await Publisher.disconnect(...)`` does."""

        async def disconnect() -> int | None:
            return await self._publisher.disconnect(id, confirm=confirm)

        return self._call("disconnect", disconnect)

    def confirm(self) -> None:
        """Do what ``await Publisher.confirm()`` does."""
        self._call("confirm", self._publisher.confirm)

    def nodes(self) -> frozenset[str]:
        """Return what ``Publisher.nodes()`` returns."""

        async def nodes() -> frozenset[str]:
            return self._publisher.nodes()

        return self._call("nodes", nodes)

    # Inside.

    def leave_parent(self) -> None:
        """Forget the background thread, because this process is a child of ``fork``, which has no such thread."""
        self._lock = threading.Lock()  # another thread of the parent can have held the old one
        if self._loop is not None:
            _inherited.append(self._loop)
            self._loop = None

    def _call(self, method: str, function: Callable[[], Awaitable[T]]) -> T:
        _expect_no_loop(method)
        return self._started().call(function)

    def _started(self) -> BackgroundLoop:
        """Return the event loop; start it if it does not run."""
        with self._lock:
            if self._loop is None:
                loop = BackgroundLoop(NAME)
                try:
                    loop.call(self._publisher.start)
                except BaseException:
                    loop.close()
                    raise
                self._loop = loop
            return self._loop


def _expect_no_loop(method: str) -> None:
    """Refuse a call on an event loop, which it would block.

    Raises:
        WrongThread: This thread runs an event loop.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise WrongThread(
        f"publisher.{method}(...) of a BlockingPublisher blocks, and was called on an event loop: write"
        f" `async with Publisher(...) as publisher: await publisher.{method}(...)` there, or"
        f" await asyncio.to_thread(publisher.{method}, ...)"
    )


def _stop_all() -> None:
    """Stop all publishers, because the interpreter ends."""
    for publisher in tuple(_publishers):
        try:
            publisher.stop()
        except (NotConfirmed, NotStarted) as error:
            Log("bennu.publisher").error(
                "The process %d ended before the bus had its messages: %s", os.getpid(), error
            )


atexit.register(_stop_all)
