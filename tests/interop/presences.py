"""Channels with presences for third-party clients; each kind of presence has its own kind of topic."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct, field

from bennu import Channel, Presence, Sample, on

__all__ = ["presence_channels", "presences"]


class Arrival(Struct):
    """The payload of a join.

    Attributes:
        key: The presence's key.
        meta: The presence's meta.
        watch: Whether the client tracks no presence.
        state_first: Whether the client gets the state before it is tracked.
    """

    key: str = "somebody"
    meta: dict[str, Any] = field(default_factory=dict)
    watch: bool = False
    state_first: bool = False


class Tracked(Struct):
    """A key and its new meta."""

    key: str
    meta: dict[str, Any] = field(default_factory=dict)


class Names(Struct):
    """The names of the two presence events."""

    state: str
    diff: str


class PresentChannel(Channel[Any]):
    """Has an event for each thing that a client can ask of a presence."""

    presence: ClassVar[Presence]

    async def join(self, arrival: Arrival) -> None:
        self.arrival = arrival

    async def after_join(self) -> None:
        arrival = self.arrival
        if arrival.state_first:
            await self.presence.push_state(self)
        if not arrival.watch:
            await self.presence.track(self, arrival.key, arrival.meta)
        if not arrival.state_first:
            await self.presence.push_state(self)

    @on("track")
    async def track(self, payload: Tracked) -> dict[str, str]:
        return {"phx_ref": await self.presence.track(self, payload.key, payload.meta)}

    @on("update")
    async def update(self, payload: Tracked) -> dict[str, str]:
        return {"phx_ref": await self.presence.update(self, payload.key, payload.meta)}

    @on("untrack")
    async def untrack(self, payload: Tracked) -> dict[str, Any]:
        await self.presence.untrack(self, payload.key)
        return {}

    @on("list")
    async def list(self) -> dict[str, Any]:
        return await self.presence.list(self)

    @on("rename")
    async def rename(self, names: Names) -> None:
        """Push the state, and then a diff in which all leave, in events with other names."""
        everybody = await self.presence.list(self)
        await self.push(names.state, everybody)
        await self.push(names.diff, {"joins": {}, "leaves": everybody})

    @on("crash")
    async def crash(self) -> None:
        raise RuntimeError("a client asked for it")


def _kind(presence: Presence) -> type[PresentChannel]:
    return type("Present", (PresentChannel,), {"presence": presence})


_by_prefix = {
    "present": Presence("present"),
    "instant": Presence("instant", window=0),
    "sampled": Presence("sampled", mode=Sample(2)),
    "graced": Presence("graced", grace=300),
}
presences = list(_by_prefix.values())
presence_channels: dict[str, type[Channel[Any, Any]]] = {
    f"{prefix}:*": _kind(presence) for prefix, presence in _by_prefix.items()
}
