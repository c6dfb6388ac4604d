"""What a connection does when a real PostgreSQL fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from bennu.bus.postgresql import connection, statements

from ...support.brokers.postgresql import PostgreSQL
from ...support.until import pause, until
from .ears import connected

pytestmark = pytest.mark.clock("both loops")


def end_backend(server: PostgreSQL) -> None:
    for pid in server.clients():
        server.terminate(pid)


@pytest.fixture(autouse=True)
def alive(server: PostgreSQL) -> Iterator[None]:
    """Start the server again if a test has failed before it did so."""
    yield
    if not server.is_running:
        server.start()


@pytest.mark.parametrize("fault", [end_backend, PostgreSQL.restart, PostgreSQL.kill])
async def test_an_end_is_said_once(server: PostgreSQL, fault: Callable[[PostgreSQL], None]) -> None:
    async with connected(server.address) as one:
        await one.driver.subscribe(["t"])
        await asyncio.to_thread(fault, server)
        await until(lambda: one.ends)
        with pytest.raises(Exception, match="clos"):
            await one.driver.publish([("t", b"1")])
        with pytest.raises(Exception, match="clos"):
            await one.driver.subscribe(["other"])
        assert [str(end) for end in one.ends] == ["PostgreSQL has closed the connection"]
        await one.driver.close()
        if not server.is_running:
            with pytest.raises(OSError, match=r"refused|failed"):
                await one.connect()
            server.start()
        await one.connect()
        await one.driver.subscribe(["t"])
        await one.driver.publish([("t", b"2")])
        await until(lambda: one.heard)
        assert one.heard == [("t", b"2")]


async def test_a_query_that_hangs_ends_the_connection(
    server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.1)
    monkeypatch.setattr(connection, "CLOSE_PATIENCE", 0.1)
    async with connected(server.address) as one, connected(server.address) as two:
        with server.paused():
            with pytest.raises(ConnectionError, match="did not answer"):
                await one.driver.publish([("t", b"1")])
            assert len(one.ends) == 1
            with pytest.raises(Exception, match="clos"):
                await one.driver.publish([("t", b"1")])
            await two.driver.close()  # a server that hangs keeps nobody from that
        assert (len(one.ends), two.ends) == (1, [])


async def test_a_server_that_hangs_takes_no_connection(
    server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_PATIENCE", 0.2)
    with server.paused(), pytest.raises(TimeoutError):
        async with connected(server.address):
            pass


@contextmanager
def failing(server: PostgreSQL, code: str) -> Iterator[None]:
    """Let each NOTIFY fail with an error of PostgreSQL: a full queue has 8 GB, which is too much for a test."""
    server.sql(
        f"""
        ALTER FUNCTION pg_catalog.pg_notify(text, text) RENAME TO notify_really;
        CREATE FUNCTION pg_catalog.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN RAISE WARNING 'the queue is half full'; RAISE EXCEPTION USING ERRCODE = '{code}'; END $$;
        """
    )
    try:
        yield
    finally:
        server.sql(
            """
            DROP FUNCTION pg_catalog.pg_notify(text, text);
            ALTER FUNCTION pg_catalog.notify_really(text, text) RENAME TO pg_notify;
            """
        )


@pytest.mark.parametrize("code", ["54000", "53100", "57014"])
async def test_publishers_wait_while_the_queue_is_full(
    server: PostgreSQL, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as failures:
        failures.enter_context(failing(server, code))
        async with connected(server.address) as one:
            await one.driver.subscribe(["t"])
            publishing = asyncio.create_task(one.driver.publish([("t", b"1"), ("t", b"2")]))
            await until(lambda: "takes no notifications" in caplog.text)
            await one.driver.subscribe(["u"])  # which goes on meanwhile
            assert (publishing.done(), one.heard, one.ends) == (False, [], [])
            assert "warns: the queue is half full" in caplog.text
            failures.close()
            await publishing
            await until(lambda: len(one.heard) == 2)
            assert one.heard == [("t", b"1"), ("t", b"2")]


async def test_publishers_wait_for_a_transaction_that_holds_the_lock(
    server: PostgreSQL, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The transaction has written and notified, and waits for a standby that is away."""
    monkeypatch.setitem(statements.SETTINGS, "lock_timeout", "100ms")
    server.sql("CREATE TABLE IF NOT EXISTS t (i int)")
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'away'")
    server.sql("SELECT pg_reload_conf()")
    async with connected(server.address) as one:
        await one.driver.subscribe(["t"])
        command = "SET synchronous_commit = on; BEGIN; INSERT INTO t VALUES (1); NOTIFY x; COMMIT"
        holding = asyncio.create_task(asyncio.to_thread(server.sql, command))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        while await asyncio.to_thread(server.sql, waits) != "1":
            await pause()
        publishing = asyncio.create_task(one.driver.publish([("t", b"1"), ("t", b"2")]))
        await until(lambda: "lock timeout" in caplog.text)
        assert (publishing.done(), one.heard, one.ends) == (False, [], [])
        await asyncio.to_thread(server.sql, "ALTER SYSTEM RESET synchronous_standby_names")
        await asyncio.to_thread(server.sql, "SELECT pg_reload_conf()")
        await publishing
        await until(lambda: len(one.heard) == 2)
        assert one.heard == [("t", b"1"), ("t", b"2")]
        await holding


async def test_the_server_cuts_off_a_node_that_does_not_read(server: PostgreSQL) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bus.postgresql.hanging_node",
        server.address,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"listens\n"
        [pid] = server.clients()
        os.kill(process.pid, signal.SIGSTOP)
        async with connected(server.address) as one:
            while pid in await asyncio.to_thread(server.clients):
                await one.driver.publish([("t", bytes(1 << 20))])
        os.kill(process.pid, signal.SIGCONT)
        assert await process.stdout.readline() == b"PostgreSQL has closed the connection\n"
    finally:
        process.kill()
        await process.wait()
