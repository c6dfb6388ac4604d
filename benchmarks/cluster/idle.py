"""What a node spends on the messages of topics that it does not hear.

A publisher sends messages to 20 topics that one node hears. Another node has clients in 50 other topics. The CPU of the
second node while it happens is compared with its CPU in the same time of silence.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

from benchmarks.bus import bus
from bennu import Publisher

from .nodes import Node, bennu_nodes, figures, wsload

__all__ = ["measure_idle", "table_of_idle"]

MESSAGES: Final = 20_000
TOPICS: Final = 20
OTHERS: Final = 50

SECONDS: Final = 15
"""For which the clients stay."""

PAYLOAD: Final = {"t": "0", "body": "x" * 60}


async def spent(address: str, hearing: Node, idle: Node) -> dict[str, float]:
    """Publish the messages. Return the seconds that it took, and the CPU seconds of both nodes."""
    async with Publisher(address) as publisher:
        await publisher.confirm()  # it is connected
        begun, then = time.monotonic(), (hearing.cpu, idle.cpu)
        for number in range(MESSAGES):
            topic = f"room:{number % TOPICS}"
            await publisher.broadcast(topic, "new_msg", PAYLOAD, confirm=False)
        await publisher.confirm()  # on ipc:// all processes answer, once
        secs, now = time.monotonic() - begun, (hearing.cpu, idle.cpu)
        await asyncio.sleep(secs)
        silence = idle.cpu - now[1]
    return {
        "secs": secs,
        "hearing": now[0] - then[0],
        "idle": now[1] - then[1],
        "silence": silence,
    }


def measure_idle(kind: str) -> dict[str, float]:
    """Return the CPU seconds of both nodes for all messages, and that of the idle node in the same time of silence."""
    stay = ("--mode", "hold", "--secs", SECONDS)
    with (
        bus(kind) as address,
        bennu_nodes(2, address) as (hearing, idle),
        wsload([hearing], *stay, "--conns", TOPICS, "--topics", TOPICS) as members,
        wsload(
            [idle], *stay, "--conns", OTHERS, "--topics", OTHERS, "--prefix", "room:x"
        ) as others,
    ):
        time.sleep(3)  # until the clients have joined
        found = asyncio.run(spent(address, hearing, idle))
        found["heard"] = figures(members)["frames_in"] - TOPICS  # without the replies to the joins
        assert figures(others)["frames_in"] == OTHERS
    print(f"idle {kind}: {found}", file=sys.stderr)
    return found


def table_of_idle(found: dict[str, dict[str, float]]) -> str:
    """Return a table."""
    lines = [
        f"| bus | seconds for {MESSAGES:,} messages | heard | hearing node, ms | other node, ms | other node in silence, ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{kind}://` | {one['secs']:.1f} | {one['heard']:,.0f} | {one['hearing'] * 1000:.1f} | {one['idle'] * 1000:.1f}"
        f" | {one['silence'] * 1000:.1f} |"
        for kind, one in found.items()
    ]
    return "\n".join(lines)
