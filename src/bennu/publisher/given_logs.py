"""The histories that a publisher was given, and the store that keeps their logs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, cast

from ..errors import DefinitionError, NotStarted
from ..history.histories import Histories
from ..history.history import History
from ..history.logs import Logs
from ..store.address import given_store_source, store_for
from ..store.store import Store
from ..user_code.options import Option

__all__ = ["HISTORIES", "GivenLogs", "given_logs"]

EXAMPLE: Final = '{"room:*": RoomChannel.history}'
WRITE: Final = f'Publisher(..., store="redis://localhost:6379", histories={EXAMPLE})'


def _are_histories(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    given = cast("Mapping[Any, Any]", value)
    return all(isinstance(one, str) and isinstance(given[one], History) for one in given)


HISTORIES: Final = Option(
    "the history of each topic pattern, as the channels of the endpoint have it",
    _are_histories,
    EXAMPLE,
)
"""The option ``histories`` of a publisher."""


class GivenLogs:
    """The histories and the store of one publisher.

    Args:
        histories: Which topics have history.
        source: The address of the store, or the store.
        endpoint: The logs of the endpoint that has this store; None if the publisher was made without an endpoint.

    Attributes:
        histories: As given.

    Raises:
        DefinitionError: The address can't be used, or the store is in the memory of one process.
    """

    def __init__(
        self, histories: Histories, source: str | Store, endpoint: Logs | None = None
    ) -> None:
        self.histories = histories
        self._source = source
        self._endpoint = endpoint
        self._made_in = os.getpid()
        self._is_abandoned = False
        store = store_for(source) if isinstance(source, str) else source
        if not store.is_shared:
            raise DefinitionError(
                "Publisher(store=...)",
                expected="the store of the processes that serve clients",
                got=f"{store.name}, which is in the memory of one process",
                write=f"{WRITE}, and Endpoint(store=...) with the same address",
            )

    def abandon(self) -> None:
        """Note that the store was started, and can't be stopped any more."""
        self._is_abandoned = True

    async def store(self) -> Store:
        """Return a new store for the address, or the given store.

        Raises:
            NotStarted: The store was given as an object, and belongs to the parent of this process, or to an endpoint that
                is started.
        """
        if isinstance(self._source, str):
            return store_for(self._source)
        store = self._source
        if self._made_in != os.getpid():
            raise NotStarted(
                f"this publisher has the store {store.name} of its parent process: write Publisher(store=ADDRESS), or"
                " make the store and the publisher after the fork"
            )
        if self._endpoint is not None and self._endpoint.pubsub.home.is_in_process:
            raise NotStarted(
                f"the endpoint is started in this process, and has the store {store.name} for itself: write"
                " endpoint.broadcast(...) here, or Endpoint(store=ADDRESS)"
            )
        if self._is_abandoned:
            self._is_abandoned = False
            await store.stop()  # it was started, and not stopped
        return store


def given_logs(
    store: str | Store | None, histories: Mapping[str, History] | None
) -> GivenLogs | None:
    """Return what ``Publisher(store=..., histories=...)`` says; None for a publisher without histories.

    Raises:
        DefinitionError: One of the two is missing or can't be used.
    """
    if histories is None:
        if store is None:
            return None
        raise DefinitionError(
            "Publisher(store=...)",
            expected="histories too, which say which topics have history",
            got="a store without histories",
            write=WRITE,
        )
    source = given_store_source(store)
    if source is None:
        raise DefinitionError(
            "Publisher(histories=...)",
            expected="the store of the endpoint, or the variable BENNU_STORE",
            got="neither",
            write=WRITE,
        )
    return GivenLogs(Histories.by_pattern(histories), source)
