"""Eleven bad clients among a hundred good clients: a small version of ``benchmarks/flood.py``."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any, Final

from bennu import Channel, Rates, on
from bennu.testing.clock import advance, settle

from ..support.frames import PHX_REPLY
from ..support.memory import Client, endpoint_of, serve

GOOD: Final = 100
FLOODERS: Final = 10
SECONDS: Final = 30
BURST, PER_SECOND = 3, 0.2
MAX_UNSENT: Final = 10_000


class Room(Channel[Any]):
    """A channel that broadcasts each message, within a rate."""

    @on("new_msg", rate="12/minute, burst 3")
    async def new_msg(self, payload: dict[str, Any]) -> None:
        await self.broadcast("new_msg", payload)


def heard(client: Client) -> list[str]:
    """Return the senders of the broadcasts, in order. Replies are left out."""
    frames = client.read()
    said = [frame.payload["from"] for frame in frames if frame.event == "new_msg"]
    frames.clear()
    return said


async def test_a_flood_and_a_stalled_client_change_nothing_for_the_others() -> None:
    """All clients get the messages in the same order. Messages of the flood beyond its rate get an error reply."""
    endpoint = endpoint_of(
        {"room": Room},
        max_unsent=MAX_UNSENT,
        rates=Rates(bytes="16k/second, burst 64k", close_after=None),
    )
    async with serve(endpoint) as server:
        good = [await server.connect() for _ in range(GOOD)]
        flooders = [await server.connect() for _ in range(FLOODERS)]
        stalled = await server.connect()
        for client in (*good, *flooders, stalled):
            await client.join("room")
        stalled.wire.stop_reading()
        refused: Counter[int] = Counter()
        accepted: Counter[int] = Counter()
        sent = 0
        for second in range(SECONDS):
            for number, flooder in enumerate(flooders):
                for _ in range(20):
                    flooder.push("room", "new_msg", {"from": f"flood {number}", "x": "x" * 300})
                    sent += 1
            speaker = good[second]
            speaker.push("room", "new_msg", {"from": str(second), "x": "x" * 300})
            await settle()
            lines = [heard(client) for client in good]
            assert all(line == lines[0] for line in lines)
            assert [one for one in lines[0] if not one.startswith("flood")] == [str(second)]
            accepted.update(int(one.split()[1]) for one in lines[0] if one.startswith("flood"))
            for number, flooder in enumerate(flooders):
                frames = [frame for frame in flooder.read() if frame.event == PHX_REPLY]
                flooder.read().clear()
                assert all(
                    frame.payload["response"]["reason"] == "rate_limited" for frame in frames
                )
                refused[number] += len(frames)
            await advance(1)
        allowed = BURST + PER_SECOND * SECONDS
        assert all(BURST < accepted[number] <= allowed for number in range(FLOODERS))
        assert refused.total() + accepted.total() == sent
        # Closed with 1013, and cut off when it had not read that after 5 s.
        assert await stalled.closed() == 1006
        assert endpoint.connections == GOOD + FLOODERS
        logged = [record.getMessage() for record in server.records]
        assert sum("bytes unread" in line for line in logged) == 1
        assert all("bytes unread" in line or "Over a limit" in line for line in logged)
        assert all(record.levelno == logging.WARNING for record in server.records)
        server.records.clear()
        for client in (*good, *flooders):
            client.close()
