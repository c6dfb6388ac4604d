"""``ipc://``: the bus between the processes of one user on one host."""

from __future__ import annotations

from ...errors import DefinitionError
from .adapter import IPCAdapter

__all__ = ["IPCAdapter", "adapter_for"]


def adapter_for(address: str, node: str | None = None) -> IPCAdapter:
    """Return the adapter for ``ipc://DIRECTORY``.

    Args:
        address: The address. The directory is an absolute path: ``ipc:///run/chat``.
        node: The name of this node. Default: None, a unique name.

    Raises:
        DefinitionError: The directory is missing or relative.
    """
    directory = address.partition("://")[2]
    if not directory.startswith("/"):
        raise DefinitionError(
            "the address of the bus",
            expected="ipc:// and the absolute path of a directory",
            got=address,
            write='pubsub="ipc:///run/user/1000/chat"',
        )
    return IPCAdapter(directory, node)
