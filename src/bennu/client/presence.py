"""Who is in the topic of a channel, with callbacks for those who join and leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from .frames import json_of
from .listeners import Binding
from .roster import Entries, Roster, RosterChange
from .topic_link import LOG, TopicLink

__all__ = ["RoomPresence"]

T = TypeVar("T")

STATE: Final = "presence_state"
DIFF: Final = "presence_diff"

OnChange = Callable[[str, dict[str, Any] | None, dict[str, Any]], object]


class RoomPresence:
    """The presences of a channel. ``room.presence`` is one: use it before the join.

    The callbacks are plain functions, and are called in the order in which they were registered.

    Args:
        link: The channel.
        state: The event of a whole list.
        diff: The event of a diff.
    """

    def __init__(self, link: TopicLink, state: str = STATE, diff: str = DIFF) -> None:
        self._link = link
        self._roster = Roster()
        self._on_join: list[OnChange] = []
        self._on_leave: list[OnChange] = []
        self._on_sync: list[Callable[[], object]] = []
        self._bindings: list[Binding] = [
            link.listeners.on(state, self._take_state, json_of),
            link.listeners.on(diff, self._take_diff, json_of),
        ]

    @property
    def state(self) -> Entries:
        """The presences by their key: ``{"ann": {"metas": [{"phx_ref": ..., ...}]}}``."""
        return self._roster.state

    @overload
    def list(self) -> list[dict[str, Any]]: ...
    @overload
    def list(self, by: Callable[[str, dict[str, Any]], T]) -> list[T]: ...
    def list(self, by: Callable[[str, dict[str, Any]], Any] | None = None) -> Any:
        """Return the presences as a list.

        Args:
            by: Returns the element of the list for a key and its presence. Default: the presence.

        Example:
            ``room.presence.list(lambda key, one: (key, len(one["metas"])))``
        """
        return [one if by is None else by(key, one) for key, one in self.state.items()]

    def on_join(self, callback: OnChange) -> None:
        """Call a function when metas of a key join: ``callback(key, current, joined)``.

        Args:
            callback: Gets the key, the presence before (None if there was none), and the presence with only the new
                metas.
        """
        self._on_join.append(callback)

    def on_leave(self, callback: OnChange) -> None:
        """Call a function when metas of a key leave: ``callback(key, current, left)``.

        Args:
            callback: Gets the key, the presence without these metas (its ``metas`` are empty if none is left), and the
                presence with only these metas.
        """
        self._on_leave.append(callback)

    def on_sync(self, callback: Callable[[], object]) -> None:
        """Call a function after each change, when the list is complete again."""
        self._on_sync.append(callback)

    def close(self) -> None:
        """Follow the presences no more."""
        for binding in self._bindings:
            binding.cancel()

    def _take_state(self, payload: Any) -> None:
        self._roster.take_state(payload, self._link.join_ref, self._changed)
        self._synced()

    def _take_diff(self, payload: Any) -> None:
        if self._roster.take_diff(payload, self._link.join_ref, self._changed):
            self._synced()

    def _changed(self, change: RosterChange) -> None:
        for callback in self._on_join if change.has_joined else self._on_leave:
            try:
                callback(change.key, change.current, change.other)
            except Exception:  # noqa: BLE001 - logged: the application's own function
                LOG.exception("A callback for the presences of %r failed", self._link.topic)

    def _synced(self) -> None:
        for callback in self._on_sync:
            try:
                callback()
            except Exception:  # noqa: BLE001 - logged: the application's own function
                LOG.exception("A callback for the presences of %r failed", self._link.topic)
