"""The outbox of an endpoint: broadcasts in the user's own transaction, which all nodes hear of after the commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, NotStarted
from ..loop.home import Home
from ..message import Broadcast
from ..store.entry import LogEntry
from ..store.store import Retention
from .logs import Logs

if TYPE_CHECKING:  # SQLAlchemy is optional
    from ..store.sql import SQLOutbox

__all__ = ["outbox_of"]


def outbox_of(
    logs: object, home: Home, session: object, check: Callable[[Broadcast], None] | None
) -> SQLOutbox:
    """Return the outbox of a session.

    Args:
        logs: The ``Logs`` of the endpoint; None if no channel has history.
        home: The event loop of the endpoint.
        session: An ``AsyncSession``, or a ``Session`` in any thread.
        check: Refuses a broadcast that no channel declares; None in production.

    Raises:
        DefinitionError: The store is in no SQL database, no channel has history, or the session is none.
        NotStarted: The endpoint is not started in this process.
    """
    known = logs if isinstance(logs, Logs) else None
    make: Any = getattr(None if known is None else known.store, "outbox", None)
    if known is None or make is None:
        raise DefinitionError(
            "endpoint.outbox(session)",
            expected="a channel with history, and a store in the database of the session",
            got="no channel with history" if known is None else f"the store {known.store.name}",
            write='Endpoint(store="postgresql+asyncpg://user:password@localhost/chat")',
        )
    if not home.is_in_process:
        raise NotStarted(
            "endpoint.outbox(session) tells the clients of this node: the endpoint is not started in this process"
        )

    def retention_of(topic: str, event: str) -> Retention | None:
        history = known.history_of(topic, event)
        return None if history is None else history.retention

    def committed(topic: str, epoch: str, entries: Sequence[LogEntry]) -> None:
        if home.is_current:
            known.committed(topic, epoch, entries)
        elif home.is_in_process:
            with suppress(
                RuntimeError
            ):  # the loop is closed; other nodes find the entries by their checks
                home.loop.call_soon_threadsafe(known.committed, topic, epoch, entries)

    outbox: SQLOutbox = make(session, retention_of, committed)
    outbox.check = check
    return outbox
