"""Finds which topics of an endpoint have history, and makes their logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DefinitionError
from ..history.histories import Histories
from ..history.history import NO_HISTORY, History
from ..history.logs import Logs
from ..pubsub import PubSub
from ..socket import Socket, SocketBase
from ..store.store import Store

__all__ = ["logs_of"]


def logs_of(
    sockets: Mapping[str, SocketBase[Any]],
    store: Store,
    pubsub: PubSub,
    source: str | Store | None = None,
) -> Logs | None:
    """Return the logs of an endpoint; None if no channel has history.

    Args:
        sockets: The sockets by their mount paths.
        store: The store.
        pubsub: The endpoint's PubSub.
        source: The address of the store, or the store. Default: None, the store.

    Raises:
        DefinitionError: Two channels of one topic pattern have different histories, or the store is in the memory of one
            process, and there is a bus.
    """
    tables = [socket.table for socket in sockets.values() if isinstance(socket, Socket)]
    histories: dict[str, tuple[str, History]] = {}
    for row in (row for table in tables for row in table.rows):
        channel, pattern = row.target.channel, row.pattern.text
        name, other = histories.setdefault(pattern, (channel.__qualname__, channel.history))
        if other != channel.history:
            raise DefinitionError(
                f'{channel.__qualname__}.history, for the topic pattern "{pattern}"',
                expected=f"the history of {name}, which has the same pattern: a topic has one log",
                got=repr(channel.history),
                write=f"history = {name}.history",
            )
    if all(history is NO_HISTORY for _, history in histories.values()):
        return None
    if not (store.is_shared or pubsub.is_alone):
        raise DefinitionError(
            "Endpoint(store=...)",
            expected="a store that all nodes share, because this endpoint is on a bus and a channel has history",
            got=f"{store.name}, which is in the memory of one process: each node would count for itself",
            write='Endpoint(store="redis://localhost:6379"), or set BENNU_STORE',
        )

    def find(topic: str) -> History | None:
        for table in tables:
            found = table.resolve(topic)
            if found is not None and (history := found[0].channel.history.of(topic)) is not None:
                return history
        return None

    return Logs(store, Histories(find), pubsub, source)
