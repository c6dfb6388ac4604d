"""Recovery around one channel: calls ``missed`` when messages are lost, and passes on what waited meanwhile."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..errors import DefinitionError
from ..logs.log import Log
from .frames import Received
from .recovery import FrameVerdict, RecoveryState

__all__ = ["MissedCallback", "RecoveredCallback", "Recovery"]

MissedCallback = Callable[[str], Any | Awaitable[Any]]
"""Is called with the reason. Loads the state, and returns its position, or None."""
RecoveredCallback = Callable[[int], object]
"""Is called with the number of messages that follow."""

SLOW: Final = "slow"
"""The reason if this process was too slow, and its own queue was full."""


class Recovery:
    """What a channel does about messages that it missed. ``room.recovery`` is one if the channel has ``missed=``.

    Args:
        client: A random token of 16 to 64 characters.
        missed: Loads the application's state.
        recovered: Is called when a join has lost nothing; None for no call.
        position: The position of the state that the application has; None if it has none.
        log: The log for callbacks that raise.
        pass_on: Passes a message on to the listeners.

    Raises:
        DefinitionError: ``position`` is no position.
    """

    __slots__ = ("_log", "_missed", "_pass_on", "_recovered", "_state", "_task")

    def __init__(
        self,
        client: str,
        missed: MissedCallback,
        recovered: RecoveredCallback | None,
        position: str | None,
        log: Log,
        pass_on: Callable[[Received], None],
    ) -> None:
        self._state: RecoveryState[Received] = RecoveryState(client, position)
        self._missed = missed
        self._recovered = recovered
        self._log = log
        self._pass_on = pass_on
        self._task: asyncio.Task[None] | None = None

    @property
    def position(self) -> str | None:
        """The position of the application's state, such as ``"17:k3x"``. None before the first join, and until
        ``missed`` has loaded the state.
        """
        return self._state.position

    @property
    def is_loading(self) -> bool:
        """Whether ``missed`` runs. New messages wait meanwhile."""
        return self._state.is_loading

    # What the channel calls.

    def ask(self) -> dict[str, Any]:
        """Return what a join sends under the key ``recovery``."""
        return self._state.ask()

    def joined(self, response: Any) -> None:
        """Take the response to a join."""
        count = self._state.joined(response)
        if self._state.must_load():
            self._load()
        elif count is not None and self._recovered is not None:
            try:
                self._recovered(count)
            except Exception:  # noqa: BLE001 - logged: the application's own function
                self._log.exception("recovered() failed")

    def take(self, message: Received, *, is_joined: bool) -> None:
        """Take a message: pass it on, keep it until the state is loaded, or drop it."""
        verdict = self._state.take(message.ref, is_joined=is_joined)
        if verdict is FrameVerdict.PASS or (
            verdict is FrameVerdict.TAKE and not self._state.hold(message)
        ):
            self._pass_on(message)

    def overflowed(self) -> None:
        """Note that this process dropped a message, because it was too slow."""
        self._state.lose(SLOW)
        if self._state.must_load():
            self._load()

    def close(self) -> None:
        """Stop to load."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def _load(self) -> None:
        """Call ``missed``, before anything else is passed on. What it returns can be awaited: that is done in a task."""
        state = self._state
        held: list[Received] | None = None
        while held is None:
            try:
                found = self._missed(state.begin())
            except Exception:  # noqa: BLE001 - logged: the application's own function
                held = self._failed()
            else:
                if inspect.isawaitable(found):
                    self._task = asyncio.create_task(self._wait(found))
                    return
                held = self._loaded(found)
        self._pass_on_all(held)

    async def _wait(self, loading: Awaitable[Any]) -> None:
        try:
            held = self._loaded(await loading)
        except Exception:  # noqa: BLE001 - logged: the application's own function
            held = self._failed()
        self._task = None
        if held is None:
            self._load()
        else:
            self._pass_on_all(held)

    def _loaded(self, position: object) -> list[Received] | None:
        try:
            return self._state.loaded(position)
        except DefinitionError:
            return self._failed()

    def _failed(self) -> list[Received] | None:
        self._log.exception("missed() failed, and is called again after the next join")
        return self._state.failed()

    def _pass_on_all(self, held: list[Received]) -> None:
        for message in held:
            self._pass_on(message)
