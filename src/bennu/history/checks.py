"""Checks where logs stand in the store: this finds entries whose announcements were lost.

Theory of operation
-------------------
If the lost announcement is the last one of a topic, no later entry shows the gap. So every ``CHECK_EVERY`` seconds the node
asks the store where the topics stand that had no entry since. While the node does not hear the bus, it asks every second. If
the store was down, all topics are read when it is back, without a check.

The same task forgets topics that nobody has kept for ``LINGER`` seconds.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final

from ..errors import StoreUnavailable
from .topic_log import LINGER

if TYPE_CHECKING:
    from .logs import Logs

__all__ = ["check_for_ever"]

CHECK_EVERY: Final = 10.0
"""Seconds between two checks of a quiet topic; a fifth more or less."""

CUT_OFF_EVERY: Final = 1.0
"""The same while this node does not hear the bus."""

MOST_TOPICS: Final = 1_000
"""Topics in one question to the store."""


async def check_for_ever(logs: Logs) -> None:
    """Check the topics, and forget idle ones, until this task is cancelled.

    Args:
        logs: The logs of the endpoint.
    """
    loop = asyncio.get_running_loop()
    next_check = loop.time() + _pause()
    was_up = True
    while True:
        await asyncio.sleep(CUT_OFF_EVERY)
        cluster = logs.pubsub.cluster
        is_up = cluster is None or cluster.watch.is_up
        if loop.time() < next_check and is_up and was_up:
            continue
        was_up = is_up
        next_check = loop.time() + _pause()
        logs.forget_idle(loop.time() - LINGER)
        if logs.memory is None and logs.guard.is_up:
            await _check(logs)


def _pause() -> float:
    return CHECK_EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


async def _check(logs: Logs) -> None:
    """Ask where the logs stand that had no entry since the last check."""
    quiet = [topic for topic, log in logs.topics.items() if log.users and log.is_quiet]
    for log in logs.topics.values():
        log.is_quiet = True
    for start in range(0, len(quiet), MOST_TOPICS):
        part = quiet[start : start + MOST_TOPICS]
        try:
            heads = await logs.guard.call(logs.store.heads, part)
            stands = [(logs.topics.get(topic), heads.get(topic)) for topic in part]
            for found, head in stands:
                if found is not None:
                    found.compare(head)
        except StoreUnavailable:
            return  # when it is back, all topics are read
        except Exception:
            logs.log.exception("The check of %d topics failed", len(part))
