"""A PostgreSQL of its own for a test: Debian's package, in a temporary directory, on a free loopback port.

The server refuses to run as root. If the tests run as root, the server runs as the user ``postgres`` of the package. Its
settings are fast and unsafe: nothing is synced to the disk.

The methods block until the server is in the state that they name. On an event loop that must go on meanwhile, call them
with ``asyncio.to_thread``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from ..certificates import Certificate
from .processes import HOST, free_ports

__all__ = [
    "DATABASE",
    "PASSWORD",
    "USER",
    "PostgreSQL",
    "pooler",
    "postgresql",
    "standby_of",
]

USER: Final = "bennu"
PASSWORD: Final = "hunter2"
"""The user's password for connections over TCP."""
DATABASE: Final = "chat"

PATIENCE: Final = 30.0
"""Seconds after which a server that is not in its state has failed."""

SETTINGS: Final = """
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
shared_buffers = 16MB
max_connections = 100
"""

ACCESS: Final = f"""
local all all trust
local replication all trust
host all {USER} 127.0.0.1/32 scram-sha-256
"""


class PostgreSQL:
    """A server, which can be killed, stopped, paused and started again on its port.

    Args:
        directory: A new directory of its own.
        port: The port. Default: None, a free one.

    Attributes:
        port: The port.
        log: The file with what the server says.
    """

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.port = free_ports(1)[0] if port is None else port
        self.log = directory / "log"
        self._directory = directory
        self._data = directory / "data"
        self._programs = find_programs()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The address for clients over TCP, with the password."""
        return f"postgresql://{USER}:{PASSWORD}@{HOST}:{self.port}/{DATABASE}"

    @property
    def socket_address(self) -> str:
        """The address for clients over the Unix socket, which ask for no password."""
        return f"postgresql://{USER}@/{DATABASE}?host={self._directory}&port={self.port}"

    @property
    def pid(self) -> int:
        """The process id of the server's first process, which is the parent of all others."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server was started and not ended."""
        return self._process is not None

    def create(self, settings: str = "", certificate: Certificate | None = None) -> None:
        """Make the files of the server, and its user and database.

        Args:
            settings: More lines of the configuration.
            certificate: The certificate for TLS. Default: None, without TLS.
        """
        own(self._directory)
        password = self._directory / "password"
        password.write_text(PASSWORD)
        own(password)
        self._run(
            "initdb", "-D", self._data, "-U", USER, "--pwfile", password, "--no-sync", "-E", "UTF8"
        )
        with (self._data / "postgresql.conf").open("a") as config:
            print(
                SETTINGS,
                f"unix_socket_directories = '{self._directory}'",
                settings,
                sep="\n",
                file=config,
            )
            if certificate is not None:
                print("ssl = on", file=config)
                self._put(certificate.certfile, "server.crt")
                self._put(certificate.keyfile, "server.key")
        (self._data / "pg_hba.conf").write_text(ACCESS)
        self.start()
        self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")

    def create_standby(self, primary: PostgreSQL) -> None:
        """Copy another server, and follow it. :meth:`promote` ends that."""
        own(self._directory)
        self._run("pg_basebackup", "-D", self._data, "-d", primary.socket_address, "-R", "-c", "fast", "--no-sync")  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as config:
            print(f"unix_socket_directories = '{self._directory}'", file=config)
        self.start()

    def start(self) -> None:
        """Start the server, and return when it accepts connections."""
        assert self._process is None, "the server runs"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._data, "-p", self.port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
            )
        self._wait_for(self._is_ready)

    def stop(self) -> None:
        """End the server as ``pg_ctl stop`` does: it tells its clients that it goes (SIGINT, a fast shutdown)."""
        assert self._process is not None, "the server does not run"
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        self._process = None

    def kill(self) -> None:
        """End all processes of the server with SIGKILL, also if they are paused."""
        assert self._process is not None, "the server does not run"
        self._process.send_signal(signal.SIGSTOP)  # so that it makes no new children
        children = self._children()
        for pid in (self.pid, *children):
            _signal(pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._process = None
        self._wait_for(lambda: not any(_is_alive(pid) for pid in children))

    def restart(self) -> None:
        """Stop the server, and start it again on its port."""
        self.stop()
        self.start()

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Kill the server, and start it again at the end."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop all processes of the server with SIGSTOP until the end. Its kernel still accepts connections for it."""
        _signal(self.pid, signal.SIGSTOP)
        paused = self._children()
        for pid in paused:
            _signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in (*paused, self.pid):
                _signal(pid, signal.SIGCONT)

    def promote(self) -> None:
        """Make a standby the primary."""
        assert self.sql("SELECT pg_promote()", database="postgres") == "t"

    def sql(self, statement: str, database: str = DATABASE) -> str:
        """Run statements over the Unix socket.

        Returns:
            The rows, one a line, with ``|`` between the fields.
        """
        return self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self._directory, "-p", self.port, "-U", USER, "-d", database, "-c", statement)  # fmt: skip

    def clients(self) -> list[int]:
        """Return the process ids of the backends whose clients are connected over TCP."""
        rows = self.sql(
            "SELECT pid FROM pg_stat_activity WHERE client_port > 0 ORDER BY backend_start"
        )
        return [int(row) for row in rows.split()]

    def terminate(self, pid: int) -> None:
        """End one backend: its client loses its connection, and gets an error that says why."""
        self.sql(f"SELECT pg_terminate_backend({pid}, {int(PATIENCE * 1000)})")

    def close(self) -> None:
        """Kill the server if it runs, and remove its files."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._directory)

    def _is_ready(self) -> bool:
        assert self._process is not None, "the server does not run"
        if self._process.poll() is not None:
            raise AssertionError(f"the server has ended:\n{self.log.read_text()}")
        with suppress(OSError, IndexError):  # the file can be empty for a moment
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return lines[0] == str(self.pid) and lines[-1].strip() in {"ready", "standby"}
        return False

    def _children(self) -> list[int]:
        return [pid for pid, parent in _parents() if parent == self.pid]

    def _put(self, source: Path, name: str) -> None:
        path = self._data / name
        path.write_bytes(source.read_bytes())
        path.chmod(0o600)
        own(path)

    def _run(self, program: str, *arguments: object) -> str:
        done = subprocess.run(
            self._command(program, *arguments), capture_output=True, text=True, cwd=self._directory, check=False
        )  # fmt: skip
        assert done.returncode == 0, f"{program} failed:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def _command(self, program: str, *arguments: object) -> list[str]:
        return [*as_user(), str(self._programs / program), *map(str, arguments)]

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        _wait_for(condition, self.log.read_text)


@contextmanager
def postgresql(settings: str = "", certificate: Certificate | None = None) -> Iterator[PostgreSQL]:
    """Run a server. Its end kills it, in whatever state it is.

    Args:
        settings: More lines of the configuration.
        certificate: The certificate for TLS. Default: None, without TLS.
    """
    with ExitStack() as stack:
        server = PostgreSQL(_directory())
        stack.callback(server.close)
        server.create(settings, certificate)
        yield server


@contextmanager
def standby_of(primary: PostgreSQL) -> Iterator[PostgreSQL]:
    """Run a standby, which follows a server until it is promoted."""
    with ExitStack() as stack:
        server = PostgreSQL(_directory())
        stack.callback(server.close)
        server.create_standby(primary)
        yield server


@contextmanager
def pooler(server: PostgreSQL, mode: str) -> Iterator[str]:
    """Run PgBouncer before a server.

    Args:
        server: The server.
        mode: ``session`` or ``transaction``: for how long a client has a connection to the server.

    Returns:
        The address for clients.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "no PgBouncer is installed: run scripts/install"
    [port] = free_ports(1)
    directory = _directory()
    config = directory / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
{DATABASE} = host={HOST} port={server.port} user={USER} password={PASSWORD}
[pgbouncer]
listen_addr = {HOST}
listen_port = {port}
auth_type = any
pool_mode = {mode}
unix_socket_dir =
logfile = {directory}/log
"""
    )
    own(directory)
    own(config)
    process = subprocess.Popen([*as_user(), program, "-q", str(config)], cwd=directory)
    try:
        _wait_for(lambda: _listens(port), (directory / "log").read_text)
        yield f"postgresql://{USER}@{HOST}:{port}/{DATABASE}"
    finally:
        process.kill()
        process.wait(PATIENCE)
        shutil.rmtree(directory)


def own(path: Path) -> None:
    """Give a file to the user that runs servers."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


def as_user() -> list[str]:
    """Return the begin of a command that runs a server: it refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def find_programs() -> Path:
    """Return the folder of the newest PostgreSQL that is installed. Debian's has one for each version, and none in PATH."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if not folders and (found := shutil.which("postgres")) is not None:
        folders = [Path(found).resolve().parent]
    assert folders, "no PostgreSQL is installed: run scripts/install"
    return max(folders, key=lambda folder: [int(part) for part in folder.parent.name.split(".") if part.isdigit()])  # fmt: skip


def _directory() -> Path:
    """Return a new directory with a short path, because it has the Unix socket, that the user ``postgres`` can reach."""
    return Path(tempfile.mkdtemp(prefix="bennu-pg-", dir="/tmp"))


def _wait_for(condition: Callable[[], bool], log: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"the server is not ready:\n{log()}"
        time.sleep(0.005)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), PATIENCE):
        return True
    return False


def _parents() -> Iterator[tuple[int, int]]:
    """Yield each process and its parent."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            yield int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
