"""Keys of idempotent pushes in JetStream.

The value of a key is the last message of its subject. It ends by itself (``Nats-TTL``, whole seconds). Each change names the
message that it replaces, so of two changes at once one fails.
"""

from __future__ import annotations

import math

from ..store import Claim, ClaimState
from .names import JetStreamNames
from .requests import CONFLICT, JetStreamDriver, Kept, RefusedRequest

__all__ = ["claim", "release", "settle"]

CLAIMED, SETTLED, FREE = b"c", b"s", b"f"


async def claim(
    driver: JetStreamDriver, names: JetStreamNames, key: str, owner: str, seconds: float
) -> Claim:
    """Claim a key for its first caller, or return what became of it."""
    mine = CLAIMED + owner.encode()
    while True:
        last = await driver.last(names.keys, names.key(key))
        if last is None or last.data in (FREE, mine):
            if await _change(driver, names, key, last, mine, seconds):
                return Claim(ClaimState.NEW)
        elif last.data[:1] == SETTLED:
            return Claim(ClaimState.SETTLED, last.data[1:])
        else:
            return Claim(ClaimState.RUNNING)


async def settle(
    driver: JetStreamDriver,
    names: JetStreamNames,
    key: str,
    owner: str,
    value: bytes,
    seconds: float,
) -> bool:
    """Give a claimed key its value."""
    last = await driver.last(names.keys, names.key(key))
    while last is not None and last.data == CLAIMED + owner.encode():
        if await _change(driver, names, key, last, SETTLED + value, seconds):
            return True
        last = await driver.last(names.keys, names.key(key))
    return False


async def release(driver: JetStreamDriver, names: JetStreamNames, key: str, owner: str) -> None:
    """Free a claimed key."""
    last = await driver.last(names.keys, names.key(key))
    if last is not None and last.data == CLAIMED + owner.encode():
        await _change(driver, names, key, last, FREE, 1)


async def _change(
    driver: JetStreamDriver,
    names: JetStreamNames,
    key: str,
    last: Kept | None,
    data: bytes,
    seconds: float,
) -> bool:
    """Replace the value of a key. Return whether nobody else did."""
    headers = {
        "Nats-TTL": f"{max(1, math.ceil(seconds))}s",
        "Nats-Expected-Last-Subject-Sequence": str(0 if last is None else last.sequence),
    }
    try:
        await driver.store(names.key(key), [(headers, data)])
    except RefusedRequest as error:
        if error.code in CONFLICT:
            return False
        raise
    return True
