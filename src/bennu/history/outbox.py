"""The outbox of an endpoint: broadcasts in the user's own transaction, which all nodes hear of after the commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import DefinitionError, NotStarted
from ..loop.home import Home
from ..message import Broadcast
from ..store.entry import LogEntry
from ..store.store import Retention
from .logs import Logs

if TYPE_CHECKING:  # SQLAlchemy is optional
    from sqlalchemy.orm import Session

    from ..store.sql import SQLOutbox

__all__ = ["Check", "outbox_of", "transact"]

T = TypeVar("T")

Check = Callable[[Broadcast], None]
"""Refuses a broadcast that no channel declares."""


def outbox_of(logs: object, home: Home, session: object, check: Check | None) -> SQLOutbox:
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
    known = _logs_of(logs, home, "outbox(session)")

    def committed(topic: str, epoch: str, entries: Sequence[LogEntry]) -> None:
        if home.is_current:
            known.committed(topic, epoch, entries)
        elif home.is_in_process:
            with suppress(
                RuntimeError
            ):  # the loop is closed; other nodes find the entries by their checks
                home.loop.call_soon_threadsafe(known.committed, topic, epoch, entries)

    store: Any = known.store
    outbox: SQLOutbox = store.outbox(session, _retention_of(known), committed)
    outbox.check = check
    return outbox


async def transact(
    logs: object, home: Home, work: Callable[[Session, SQLOutbox], T], check: Check | None
) -> T:
    """Run a function of the user in a transaction of the store, with an outbox.

    Args:
        logs: The ``Logs`` of the endpoint; None if no channel has history.
        home: The event loop of the endpoint, which runs this.
        work: The function. In SQLite it runs in a thread.
        check: As for :func:`outbox_of`.

    Raises:
        DefinitionError: The store is in no SQL database, or no channel has history.
        NotStarted: The endpoint is not started in this process.
        StoreUnavailable: The database can't be reached, or has not answered in time. The outcome is unknown.
    """
    known = _logs_of(logs, home, "transaction(work)")

    def run(session: Session, outbox: SQLOutbox) -> T:
        outbox.check = check
        return work(session, outbox)

    store: Any = known.store
    done: T = await store.transaction(run, _retention_of(known), known.committed)
    return done


def _logs_of(logs: object, home: Home, call: str) -> Logs:
    known = logs if isinstance(logs, Logs) else None
    if known is None or not hasattr(known.store, "outbox"):
        raise DefinitionError(
            f"endpoint.{call}",
            expected="a channel with history, and a store in a SQL database",
            got="no channel with history" if known is None else f"the store {known.store.name}",
            write='Endpoint(store="postgresql+asyncpg://user:password@localhost/chat")',
        )
    if not home.is_in_process:
        raise NotStarted(
            f"endpoint.{call} tells the clients of this node: the endpoint is not started in this process"
        )
    return known


def _retention_of(logs: Logs) -> Callable[[str, str], Retention | None]:
    def retention_of(topic: str, event: str) -> Retention | None:
        history = logs.history_of(topic, event)
        return None if history is None else history.retention

    return retention_of
