"""The bus between nodes: its interface, and the adapters that Bennu includes."""

from .bus import BusAdapter, Loss, LossReason, Lost, Receive
from .ipc import IPCAdapter
from .local import LocalAdapter
from .memory import MemoryAdapter, MemoryNetwork

__all__ = [
    "BusAdapter",
    "IPCAdapter",
    "LocalAdapter",
    "Loss",
    "LossReason",
    "Lost",
    "MemoryAdapter",
    "MemoryNetwork",
    "Receive",
]
