"""Makes the drivers for an address of Redis."""

from __future__ import annotations

from dataclasses import replace

from ..broker.driver import Driver
from .cluster import ClusterDriver
from .driver import RedisDriver
from .options import RedisAddress
from .sentinel import SentinelDriver

__all__ = ["drivers_for"]


def drivers_for(read: RedisAddress) -> list[Driver]:
    """Return one driver for each independent server that an address names."""
    if read.sentinels is not None:
        return [SentinelDriver(read.places, read.service, read.options, read.sentinels)]
    if read.kind == "cluster":
        return [ClusterDriver(read.places, read.options)]
    scheme = read.options.name.partition("://")[0]
    return [
        RedisDriver(place, replace(read.options, name=f"{scheme}://{place}"))
        for place in read.places
    ]
