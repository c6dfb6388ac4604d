"""One connection to a PostgreSQL server, over asyncpg.

Theory of operation
-------------------
One connection LISTENs and NOTIFYs. Two connections are no faster (measured with 8 nodes that each publish and hear
everything: 3.0 against 2.9 ms), and a server has only 100 connections by default.

**A query that hangs** ends the connection after :data:`PATIENCE` seconds: nothing else can be sent on it, and nothing heard.

**The lock of NOTIFY.** Every transaction with a NOTIFY takes one lock of the whole server when it commits, until its commit
is done. A transaction of ours is nothing but NOTIFYs, so it is short: PostgreSQL neither waits for the disk nor for a standby.
But if a transaction of the application has also written rows, and waits for a standby that is away, all NOTIFYs of the server
wait for it. ``statement_timeout`` does not end this wait, ``lock_timeout`` does. Then the transaction is tried again.

**A full queue.** PostgreSQL keeps the notifications in a queue of 8 GB (1,048,000 of the largest), until each process that
LISTENs to anything has read them. Such a process does not read while it is in a transaction, or while its client does not
read from its connection. When the queue is full, each NOTIFY of the server fails. Then :meth:`PostgreSQLConnection.notify` waits and
tries again, so publishers wait. PostgreSQL 15 does not notice by itself that the queue has room again: every NOTIFY fails
until somebody calls ``pg_notification_queue_usage()`` (measured). So :meth:`PostgreSQLConnection.notify` calls it.

**Ends that nobody notices.** The server closes the connection of a node that does not read for 30 seconds
(``tcp_user_timeout``), so a node that hangs does not fill the queue for all. It also checks idle connections
(``tcp_keepalives``). A node notices a server that hangs by the probe of
:class:`~bennu.bus.broker.adapter.BrokerAdapter`.

**Poolers.** PgBouncer in the mode "transaction" takes LISTEN and delivers nothing. A pooler gives a connection a process id
of its own, so it is noticed. Then a second connection sends a notification. If it does not arrive, the address is refused.

asyncpg has no types, so it is ``Any`` here, and only here.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from ...errors import DefinitionError
from ...logs.log import Log
from .statements import NOTIFY, SET, SETTINGS, USAGE

__all__ = ["PostgreSQLConnection"]

asyncpg: Any = importlib.import_module("asyncpg")

PATIENCE: Final = 10.0
"""Seconds for which a query can take; then the connection is closed."""

CONNECT_PATIENCE: Final = 5.0
"""Seconds for a connection to one server."""

CLOSE_PATIENCE: Final = 2.0
"""Seconds for a good-bye."""

PAUSE: Final = 0.2
"""Seconds until a NOTIFY that failed is tried again, about."""

BUSY: Final = (
    asyncpg.ProgramLimitExceededError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)
"""Errors of a NOTIFY that can be tried again: the queue or the disk is full, or somebody holds the lock."""

WRONG: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedObjectError,
    asyncpg.CantChangeRuntimeParamError,
    asyncpg.InvalidParameterValueError,
    asyncpg.ClientConfigurationError,
)
"""Errors of a connect that no later attempt can heal. Their texts have no secrets."""

POOLED: Final = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""Errors of a pooler that gives each statement another connection."""

Heard = Callable[[int, str, str], object]
"""Called with the process id of the sender, the channel of PostgreSQL and the payload."""


class _Client(asyncpg.Connection):  # type: ignore[misc] # it is Any
    """A connection of asyncpg that shows its transport, which asyncpg keeps to itself."""

    def __init__(self, protocol: Any, transport: Any, *arguments: Any) -> None:
        asyncpg.Connection.__init__(self, protocol, transport, *arguments)
        self.transport = transport


class PostgreSQLConnection:
    """A connection to a server, which can LISTEN and NOTIFY. :meth:`open` makes it."""

    __slots__ = ("_client", "_ended", "_heard", "_is_over", "_lock", "_log", "_name", "_notify")

    def __init__(
        self, client: Any, name: str, heard: Heard, ended: Callable[[Exception], object], log: Log
    ) -> None:
        self._client = client
        self._name = name
        self._heard = heard
        self._ended = ended
        self._is_over = False
        self._log = log
        self._lock = asyncio.Lock()
        self._notify: Any = None

    @classmethod
    async def open(
        cls, server: str, name: str, heard: Heard, ended: Callable[[Exception], object], log: Log
    ) -> PostgreSQLConnection:
        """Connect to a server.

        Args:
            server: The address of one server.
            name: The address for the log, without secrets.
            heard: Called with each notification.
            ended: Called once when the connection has ended by itself. No ``heard`` follows.
            log: Writes the log.

        Raises:
            DefinitionError: No later attempt can succeed.
            OSError: The server can't be reached, or is a standby.
        """
        try:
            client = await _connect(server)
            connection = cls(client, name, heard, ended, log)
            try:
                await connection._prepare(server)
            except BaseException:
                connection._is_over = True
                client.terminate()
                raise
        except WRONG as error:
            raise DefinitionError(
                f"the bus {name}",
                expected="an address with which asyncpg can connect",
                got=f"{type(error).__name__}: {error}",
                write='pubsub="postgresql://user:password@host:5432/database?sslmode=verify-full"',
            ) from None
        except POOLED as error:
            raise _pooled(name) from error
        except asyncpg.TargetServerAttributeNotMatched:
            raise ConnectionError("the server is a standby: it has no notifications") from None
        return connection

    @property
    def fd(self) -> int:
        """The file descriptor."""
        return int(self._client.transport.get_extra_info("socket").fileno())

    async def listen(self, channel: str) -> None:
        """LISTEN to a channel of PostgreSQL, and return when the server has confirmed that."""
        await self._query(lambda: self._client.add_listener(channel, self._hear))

    async def unlisten(self, channel: str) -> None:
        """UNLISTEN a channel of PostgreSQL."""
        await self._query(lambda: self._client.remove_listener(channel, self._hear))

    async def notify(self, channels: Sequence[str], payloads: Sequence[str]) -> None:
        """Send notifications in one transaction, and return when it is committed.

        While the server can't take more, it waits.
        """
        while True:
            try:
                await self._query(lambda: self._notify.fetchval(channels, payloads), BUSY)
            except BUSY as error:
                full: float = await self._query(lambda: self._client.fetchval(USAGE))
                self._log.warning(
                    "%s takes no notifications, so publishers wait: %s. Its queue is full to %d %%",
                    self._name,
                    error,
                    full * 100,
                )
                await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
            else:
                return

    async def close(self) -> None:
        """End the connection."""
        self._is_over = True
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(CLOSE_PATIENCE), self._lock:
                await self._client.close()
        self._client.terminate()

    async def _prepare(self, server: str) -> None:
        self._client.add_termination_listener(self._terminated)
        self._client.add_log_listener(self._warned)
        async with asyncio.timeout(CONNECT_PATIENCE):
            pid = await self._client.fetchval(SET, list(SETTINGS), list(SETTINGS.values()))
            self._notify = await self._client.prepare(NOTIFY)
            if pid != self._client.get_server_pid():
                await self._expect_session(server)

    async def _expect_session(self, server: str) -> None:
        """Check that notifications pass the pooler that is in between."""
        heard = asyncio.Event()
        channel = f"bennu_test_{self._client.get_server_pid()}"

        def hear(*notification: object) -> None:
            heard.set()

        await self._client.add_listener(channel, hear)
        other = await _connect(server)
        try:
            await other.execute(f'NOTIFY "{channel}"')
            async with asyncio.timeout(CLOSE_PATIENCE):
                await heard.wait()
        except TimeoutError:
            raise _pooled(self._name) from None
        finally:
            other.terminate()

    async def _query(
        self, query: Callable[[], Awaitable[Any]], harmless: tuple[type[Exception], ...] = ()
    ) -> Any:
        """Run one query after another. Every error ends the connection, except the harmless ones."""
        async with self._lock:
            try:
                async with asyncio.timeout(PATIENCE):
                    return await query()
            except harmless:
                raise
            except TimeoutError:
                error = ConnectionError(f"PostgreSQL did not answer within {PATIENCE:.0f} seconds")
                self._end(error)
                raise error from None
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self._end(error)
                raise

    def _hear(self, client: Any, pid: int, channel: str, payload: str) -> None:
        if not self._is_over:
            self._heard(pid, channel, payload)

    def _warned(self, client: Any, message: Any) -> None:
        """Log what the server says of itself: above all, that its queue is half full, and by whom."""
        if message.severity_en == "WARNING":
            self._log.warning("%s warns: %s. %s", self._name, message.message, message.detail or "")

    def _terminated(self, client: Any) -> None:
        self._end(ConnectionError("PostgreSQL has closed the connection"))

    def _end(self, error: Exception) -> None:
        if not self._is_over:
            self._is_over = True
            self._client.terminate()
            self._ended(error)


async def _connect(server: str) -> Any:
    try:
        return await asyncpg.connect(
            server,
            timeout=CONNECT_PATIENCE,
            connection_class=_Client,
            target_session_attrs="primary",
        )
    except ssl.SSLCertVerificationError as error:
        text = f"the server's certificate is not valid: {error.verify_message}"
        raise asyncpg.ClientConfigurationError(text) from None
    except (OSError, asyncpg.ClientConfigurationError):
        raise
    except ValueError:
        # The text of this error can have a part of the address.
        raise asyncpg.ClientConfigurationError("the address can't be read") from None


def _pooled(name: str) -> DefinitionError:
    return DefinitionError(
        f"the bus {name}",
        expected="a server of PostgreSQL, or a pooler in the mode 'session'",
        got="a pooler that loses notifications (PgBouncer in the mode 'transaction' does)",
        write="the address of the server itself, past the pooler",
    )
