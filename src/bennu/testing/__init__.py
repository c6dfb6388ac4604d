"""What an application needs for its tests: a client without a network, virtual time, several nodes, faults.

The modules ``bus_contract`` and ``store_contract`` are the tests of an adapter for a bus, and of a store. They need pytest.
"""

from ..client.errors import ConnectRefused, JoinRefused, PushRefused
from .channel import TestChannel
from .client import TestClient, connect
from .clock import VIRTUAL_TIME, Clock, VirtualLoop, virtual_time
from .nodes import TestCluster, TestNode, nodes
from .patterns import ANY, Exactly
from .push import TestPush
from .running import running
from .seeds import seeded
from .storms import storm

__all__ = [
    "ANY",
    "VIRTUAL_TIME",
    "Clock",
    "ConnectRefused",
    "Exactly",
    "JoinRefused",
    "PushRefused",
    "TestChannel",
    "TestClient",
    "TestCluster",
    "TestNode",
    "TestPush",
    "VirtualLoop",
    "connect",
    "nodes",
    "running",
    "seeded",
    "storm",
    "virtual_time",
]
