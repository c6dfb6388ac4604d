"""What a node spends on the messages of topics that it does not hear.

A publisher sends messages to a topic that one node hears, and another node does not. The CPU of the second node while it
happens is compared with its CPU in the same time of silence.
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

SECONDS: Final = 20
"""For which a client hears the topic."""

PAYLOAD: Final = {"t": "0", "body": "x" * 60}


async def spent(address: str, hearing: Node, idle: Node) -> dict[str, float]:
    """Publish the messages. Return the seconds that it took, and the CPU seconds of both nodes."""
    async with Publisher(address) as publisher:
        await publisher.confirm()  # it is connected
        begun, then = time.monotonic(), (hearing.cpu, idle.cpu)
        for _ in range(MESSAGES):
            await publisher.broadcast("room:0", "new_msg", PAYLOAD, confirm=False)
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
    with (
        bus(kind) as address,
        bennu_nodes(2, address) as (hearing, idle),
        wsload([hearing], "--mode", "hold", "--conns", 1, "--secs", SECONDS) as process,
    ):
        time.sleep(2)  # until the client has joined
        found = asyncio.run(spent(address, hearing, idle))
        found["heard"] = figures(process)["frames_in"] - 1  # one is the reply to the join
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
