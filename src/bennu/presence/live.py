"""What there is of a presence while its endpoint runs: the tracker, the roll and the boards, put together."""

from __future__ import annotations

from .boards import Boards
from .crdt import Entry
from .hooks import Host, bare, fetched
from .net_effect import Metas, State, copied
from .options import Options
from .owners import Roll
from .tracker import Tracker

__all__ = ["Live"]


class Live:
    """A presence from the start of its endpoint to the stop.

    Args:
        options: How it is set up.
        host: The endpoint.

    Attributes:
        tracker: What is tracked, here and on other nodes.
        roll: Whose it is here.
        boards: When clients are told.
        is_ending: Whether nothing can be tracked any more; hooks that are still told may read.
    """

    __slots__ = ("_hooks", "boards", "host", "is_ending", "roll", "tracker")

    def __init__(self, options: Options, host: Host) -> None:
        self.host = host
        self.is_ending = False
        self._hooks = options.hooks
        self.boards = Boards(
            options.name, host, self._entries, options.window, options.mode, options.hooks
        )
        self.tracker = Tracker(
            options.name, options.shards, options.periods, host, self.boards.change
        )
        self.roll = Roll(self.tracker, self.boards, options.grace, options.max_keys)

    def _entries(self, topic: str, key: str | None) -> list[Entry]:
        return self.tracker.entries(topic, key)

    async def fetch(self, topic: str, metas: Metas) -> State:
        """Return copies of metas, with what the application adds."""
        if self._hooks.fetch is None:
            return copied(bare(metas))
        return copied(await fetched(self._hooks.fetch, self.host, topic, metas))

    async def stop(self) -> None:
        """End everything: whoever is left goes, here and at once on other nodes, and hooks are told."""
        self.is_ending = True
        self.roll.close()
        self.tracker.stop()
        self.boards.flush()
        await self.boards.stop()
