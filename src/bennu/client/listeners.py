"""The callbacks and iterators of a channel or a client.

Theory of operation
-------------------
A plain callback is called at once, in the order of the events. An ``async`` callback waits in a queue: one task calls
them one after another, in the order of the events, and ends when the queue is empty. So a slow callback does not hold up
the connection, and can await replies. The queue is bounded: events beyond it are dropped, logged and counted.

A callback that raises is logged. The others are called all the same.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import WeakSet

from ..logs.log import Log
from ..user_code.functions import is_async, name_of
from .frames import Received
from .stream import EventStream

__all__ = ["Binding", "Listeners"]

_Call = tuple["Binding", Any, Coroutine[Any, Any, Any] | None]
"""A callback, the payload, and the coroutine if the callback was called already."""


class Binding:
    """One callback that was registered.

    Attributes:
        event: What it is called for.
    """

    __slots__ = ("_remove", "callback", "event", "is_async", "read")

    def __init__(
        self,
        event: str,
        callback: Callable[..., object],
        read: Callable[[Any], Any],
        remove: Callable[[Binding], None],
    ) -> None:
        self.event = event
        self.callback = callback
        self.read = read
        self.is_async = is_async(callback)
        self._remove = remove

    def cancel(self) -> None:
        """Call the callback no more. A second call has no effect."""
        self._remove(self)


class Listeners:
    """The callbacks and iterators of one channel, or of one client.

    Args:
        log: The log for callbacks that raise.
        size: The most events that wait for ``async`` callbacks.
        overflowed: Is called when an event is dropped, because ``size`` events wait.
    """

    __slots__ = (
        "_bindings",
        "_log",
        "_overflowed",
        "_queue",
        "_size",
        "_streams",
        "_task",
        "dropped",
    )

    def __init__(self, log: Log, size: int, overflowed: Callable[[], None]) -> None:
        self.dropped = 0
        self._log = log
        self._size = size
        self._overflowed = overflowed
        self._bindings: dict[str, list[Binding]] = {}
        self._streams: WeakSet[EventStream[Any]] | None = None
        self._queue: deque[_Call] | None = None  # made when it is needed: most clients have none
        self._task: asyncio.Task[None] | None = None

    def on(
        self, event: str, callback: Callable[..., object], read: Callable[[Any], Any]
    ) -> Binding:
        """Register a callback.

        Args:
            event: The event.
            callback: The callback, plain or ``async``.
            read: Makes the callback's argument of the payload.
        """
        binding = Binding(event, callback, read, self._remove)
        self._bindings.setdefault(event, []).append(binding)
        return binding

    def off(self, event: str) -> None:
        """Remove all callbacks for an event."""
        self._bindings.pop(event, None)

    def add(self, stream: EventStream[Any]) -> None:
        """Register an iterator. It is forgotten with its last reference."""
        if self._streams is None:
            self._streams = WeakSet()
        self._streams.add(stream)

    @property
    def is_empty(self) -> bool:
        """Whether there is no callback and no iterator."""
        return not self._bindings and not self._streams

    def emit(self, message: Received) -> None:
        """Pass an event on to the callbacks and iterators."""
        self.call(message.event, message.payload)
        if self._streams:
            for stream in tuple(self._streams):
                stream.put(message)

    def call(self, event: str, payload: Any) -> None:
        """Call the callbacks for an event."""
        bindings = self._bindings.get(event)
        if bindings is None:
            return
        for binding in tuple(bindings):  # a callback can add and remove callbacks
            if binding.is_async:
                self._put(binding, payload)
                continue
            try:
                result = binding.callback(binding.read(payload))
            except Exception:  # noqa: BLE001 - logged: the application's own function
                self._log_crash(binding)
                continue
            if inspect.iscoroutine(result):
                self._put(binding, payload, result)

    def end(self) -> None:
        """End the iterators after what waits. What waits for ``async`` callbacks is still passed on."""
        for stream in tuple(self._streams or ()):
            stream.end()

    async def close(self, patience: float = 0.0) -> None:
        """Cancel the ``async`` callback that runs, and forget what waits.

        Args:
            patience: The seconds in which all callbacks that wait can run before.
        """
        task = self._task
        if task is not None and task is not asyncio.current_task():
            if patience:
                await asyncio.wait((task,), timeout=patience)
            task.cancel()
            await asyncio.wait((task,))
        for _, _, begun in self._queue or ():
            if begun is not None:
                begun.close()
        self._queue = None

    def _remove(self, binding: Binding) -> None:
        bindings = self._bindings.get(binding.event, [])
        if binding in bindings:
            bindings.remove(binding)
        if not bindings:
            self._bindings.pop(binding.event, None)

    def _put(
        self, binding: Binding, payload: Any, begun: Coroutine[Any, Any, Any] | None = None
    ) -> None:
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        if len(queue) >= self._size:
            if begun is not None:
                begun.close()
            self.dropped += 1
            self._log.error(
                "An event %r was dropped: %s events wait for async callbacks; do less in them, or start tasks",
                binding.event,
                self._size,
            )
            self._overflowed()
            return
        queue.append((binding, payload, begun))
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._queue:
                binding, payload, begun = self._queue.popleft()
                try:
                    result: Any = begun or binding.callback(binding.read(payload))
                    await result
                except Exception:  # noqa: BLE001 - logged: the application's own function
                    self._log_crash(binding)
        finally:
            self._task = None

    def _log_crash(self, binding: Binding) -> None:
        self._log.exception(
            "The callback %s for %r failed", name_of(binding.callback), binding.event
        )
