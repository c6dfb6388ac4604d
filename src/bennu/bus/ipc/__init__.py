"""``ipc://``: the bus between the processes of one user on one host."""

from .adapter import IPCAdapter

__all__ = ["IPCAdapter"]
