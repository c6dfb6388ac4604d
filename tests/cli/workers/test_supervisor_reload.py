"""SIGHUP: new workers take the place of old ones, and no client notices."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable
from pathlib import Path

import pytest

from tests.cli.command import bennu
from tests.support.certificates import Authority
from tests.support.frames import ok
from tests.support.until import until
from tests.support.wire import connect

from .service import APP, Load, ask_json, dial, workers_ready

pytestmark = pytest.mark.clock("real")

RUN = ("app:app", "--port", "0", "--workers", "2", "--no-access-log")
NEW = APP.replace('"code": "first"', '"code": "second"')


@pytest.mark.long
async def test_a_reload_under_load(folder: Path) -> None:
    """No connection is refused, no request is reset, and the new code runs. Connected clients drain."""
    async with bennu(folder, *RUN) as command:
        server = await workers_ready(command, 2)
        old = set(command.workers.values())
        (folder / "app.py").write_text(NEW)
        async with Load(dial(server)) as load, connect(server) as client:
            assert await client.join("room:1") == ok()
            await load.more(100)
            command.process.send_signal(signal.SIGHUP)
            await command.read_until("Reloading 2 workers")
            assert await client.closed() == (1012, "draining")
            await command.read_until("Reloaded")
            await load.more(100)
        assert load.outcomes.keys() == {"HTTP/1.1 200 OK"}
        assert old.isdisjoint(command.workers.values())
        assert {(await ask_json(server))["code"] for _ in range(10)} == {"second"}
        assert await command.stop() == 0


@pytest.mark.long
async def test_a_reload_over_a_shared_socket(folder: Path) -> None:
    """The same holds for a Unix socket, which all workers share."""
    options = ("app:app", "--uds", "s", "--workers", "2", "--no-access-log")
    async with bennu(folder, *options) as command:
        await command.read_until("running on unix:")
        async with Load(lambda: asyncio.open_unix_connection(str(folder / "s"))) as load:
            await load.more(100)
            command.process.send_signal(signal.SIGHUP)
            await command.read_until("Reloaded")
            await load.more(100)
        assert load.outcomes.keys() == {"HTTP/1.1 200 OK"}
        assert await command.stop() == 0
    assert not (folder / "s").exists()


@pytest.mark.long
async def test_a_reload_under_load_with_tls(folder: Path) -> None:
    """A handshake that is under way is finished. The password of the key reaches the workers."""
    authority = Authority(folder)
    certificate = authority.certify("server", password=b"sesame")
    context = authority.trusting()
    files = ("--ssl-certfile", str(certificate.certfile), "--ssl-keyfile", str(certificate.keyfile))
    env = {"BENNU_SSL_KEYFILE_PASSWORD": "sesame"}
    async with bennu(folder, *RUN, *files, env=env) as command:
        server = await workers_ready(command, 2)

        def dial_tls() -> Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
            return asyncio.open_connection(server.host, server.port, ssl=context)

        async with Load(dial_tls, clients=4) as load:
            await load.more(20)
            command.process.send_signal(signal.SIGHUP)
            await command.read_until("Reloaded")
            await load.more(20)
        assert load.outcomes.keys() == {"HTTP/1.1 200 OK"}
        assert await command.stop() == 0


@pytest.mark.long
async def test_new_code_that_fails_leaves_the_old_workers(folder: Path) -> None:
    """The log says so. The next reload works."""
    async with bennu(folder, *RUN) as command:
        server = await workers_ready(command, 2)
        old = command.workers
        (folder / "app.py").write_text(APP + "\nimport nothing_here\n")
        command.process.send_signal(signal.SIGHUP)
        await command.read_until("No module named 'nothing_here'")
        await command.read_until("ended with code 1 before it served")
        await command.read_until("The reload has stopped")
        assert command.workers == old
        assert (await ask_json(server))["code"] == "first"
        (folder / "app.py").write_text(NEW)
        command.process.send_signal(signal.SIGHUP)
        await command.read_until("Reloaded")
        assert (await ask_json(server))["code"] == "second"
        assert await command.stop() == 0


@pytest.mark.long
async def test_a_second_reload_replaces_one_that_hangs(folder: Path) -> None:
    async with bennu(folder, *RUN, "--grace", "2") as command:
        server = await workers_ready(command, 2)
        (folder / "app.py").write_text(
            "print('hangs', flush=True)\nimport time\ntime.sleep(1000)\n"
        )
        command.process.send_signal(signal.SIGHUP)
        await command.read_until("hangs")
        (folder / "app.py").write_text(NEW)
        command.process.send_signal(signal.SIGHUP)
        await command.read_until("Reloaded")
        await until(lambda: len(command.workers) == 2)
        assert (await ask_json(server))["code"] == "second"
        assert await command.stop() == 0


@pytest.mark.long
async def test_a_stop_during_a_reload(folder: Path) -> None:
    async with bennu(folder, *RUN) as command:
        await workers_ready(command, 2)
        (folder / "app.py").write_text(
            "print('hangs', flush=True)\nimport time\ntime.sleep(1000)\n"
        )
        command.process.send_signal(signal.SIGHUP)
        await command.read_until("hangs")
        assert await command.stop() == 0
