"""Django's database connections are closed around calls in threads, as docs/database.md shows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

PROGRAM = textwrap.dedent(
    """
    import asyncio
    import sys
    from contextlib import contextmanager

    from django.conf import settings

    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": sys.argv[1],
                "CONN_MAX_AGE": 0,
            }
        }
    )

    import django

    django.setup()

    from django.db import close_old_connections, connection

    from bennu import Threads
    from bennu.user_code.callback import Callback
    from bennu.loop.threads import Pools


    @contextmanager
    def fresh_connections():
        close_old_connections()
        try:
            yield
        finally:
            close_old_connections()


    def query():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
        assert connection.connection is not None


    def is_open():
        return connection.connection is not None


    async def main():
        for around, open_after in ((None, True), (fresh_connections, False)):
            pools = Pools(Threads(handlers=1, around=around))
            await pools.handlers.in_thread(Callback("query", query))
            bare = Pools(Threads(handlers=1))
            bare.handlers._executor = pools.handlers._executor  # the same thread, without the hook
            assert await bare.handlers.in_thread(Callback("is_open", is_open)) is open_after, around
            await bare.handlers.in_thread(Callback("close", lambda: connection.close()))
            pools.drop()
        print("done")


    asyncio.run(main())
    """
)


async def test_a_connection_does_not_outlive_the_call(tmp_path: Path) -> None:
    """Without the context manager, a stale connection stays in its thread until the process ends."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error::RuntimeWarning", "-c", PROGRAM, str(tmp_path / "db")],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.strip() == "done", done.stderr
