"""The bus that a PubSub was given: an address, or an adapter that belongs to one process."""

from __future__ import annotations

import os

from ..bus.address import adapter_for
from ..bus.bus import BusAdapter
from ..bus.local import LocalAdapter
from ..logs.log import Log
from .cluster import expect_process, stop_adapter

__all__ = ["GivenBus"]


class GivenBus:
    """The bus of one PubSub.

    Args:
        bus: The address, or an adapter; None is a node alone.

    Attributes:
        bus: As given; ``local://`` for None.
        first: An adapter for the address, which is not started; or the given adapter.
        is_alone: Whether there is no bus.

    Raises:
        DefinitionError: The address can't be used.
    """

    def __init__(self, bus: str | BusAdapter | None) -> None:
        self.bus = "local://" if bus is None else bus
        self._made_in = os.getpid()
        self.first = self._adapter()
        self.is_alone = isinstance(self.first, LocalAdapter)
        self._is_abandoned = False

    def abandon(self) -> None:
        """Note that the adapter was started, and can't be stopped any more."""
        self._is_abandoned = True

    async def adapter(self, log: Log) -> BusAdapter:
        """Return the given adapter, or a new adapter for the address.

        Raises:
            DefinitionError: The address can't be used, or the adapter was made before a fork.
        """
        adapter = self._adapter()
        if adapter is self.bus:
            expect_process(adapter, self._made_in)
            if self._is_abandoned:
                await stop_adapter(adapter, log)  # it was started, and not stopped
        self._is_abandoned = False
        return adapter

    def _adapter(self) -> BusAdapter:
        return adapter_for(self.bus) if isinstance(self.bus, str) else self.bus
