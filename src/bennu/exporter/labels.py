"""Reads the labels of the metrics from the definition of an endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..definition import ChannelDefinition
from ..metrics.families import ANY, ChannelLabels, Labels
from ..socket import Socket, SocketBase
from ..topic import Row

__all__ = ["EndpointLabels"]


class EndpointLabels:
    """The labels of one endpoint.

    Args:
        sockets: The sockets by their mount paths.
        mounts: The transports of each mount path.
        presences: The names of the presences.
        has_bus: Whether the endpoint has a bus.
        has_store: Whether a topic has history.

    Attributes:
        all: The labels.
        channels: The class, the pattern and the events of each channel definition, by its identity.
    """

    def __init__(
        self,
        sockets: Mapping[str, SocketBase[Any]],
        mounts: Mapping[str, Sequence[str]],
        presences: Iterable[str],
        *,
        has_bus: bool,
        has_store: bool,
    ) -> None:
        tables = [socket.table for socket in sockets.values() if isinstance(socket, Socket)]
        self._tables = list({id(table): table for table in tables}.values())
        rows = [row for table in self._tables for row in table.rows]
        found: dict[tuple[str, str], ChannelLabels] = {}
        for row in rows:
            labels = _labels_of(row)
            other = found.get(labels[:2])
            if other is not None:  # the same class in two sockets, or another class of its name
                events = tuple(dict.fromkeys((*other.events, *labels.events)))
                labels = labels._replace(events=events)
            found[labels[:2]] = labels
        self.channels = {id(row.target): found[_labels_of(row)[:2]] for row in rows}
        self.all = Labels(
            sockets=tuple((mount, one) for mount, several in mounts.items() for one in several),
            channels=tuple(found.values()),
            presences=tuple(presences),
            has_bus=has_bus,
            has_store=has_store,
        )

    def topic_of(self, topic: str) -> str | None:
        """Return the pattern of a topic, of the first socket that has one; None if a client can't join it."""
        for table in self._tables:
            for row in table.rows:
                if row.pattern.match(topic) is not None:
                    return row.pattern.text
        return None


def _labels_of(row: Row[ChannelDefinition]) -> ChannelLabels:
    definition = row.target
    events = (*definition.events, *((ANY,) if definition.handle_in is not None else ()))
    return ChannelLabels(definition.name, row.pattern.text, events)
