"""Rooms that show who is in them, as other people's clients see it; one kind of topic for each kind of presence."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct, field

from bennu import Channel, Presence, Sample, on

__all__ = ["presence_channels", "presences"]


class Arrival(Struct):
    """How somebody comes in.

    Attributes:
        key: Who it is.
        meta: What they say of themselves.
        watch: Whether they only look on.
        state_first: Whether they get the state before they are tracked.
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
    """What the two events of presence shall be called."""

    state: str
    diff: str


class PresentChannel(Channel[Any]):
    """All that a client can ask of who is present."""

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
        """Tell who is here, and then that they have all gone, in events of other names."""
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
