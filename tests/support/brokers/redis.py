"""Redis for tests, benchmarks and fault scripts: one server, servers with Sentinel, and a cluster.

Each is a context manager. It starts servers on free ports of this host, in a temporary directory, and ends them by
their process ids. The calls block for some milliseconds: a server is ready when its start has returned.

    with redis_server() as server:
        adapter_for(server.address)
        server.pause()

The topology is written into the files of the servers before their start. So Sentinels know each other and the
replicas, and a cluster has its slots, without the seconds in which they would find that out.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from .processes import HOST, ServerProcess, free_ports

__all__ = [
    "RedisCluster",
    "RedisSentinels",
    "RedisServer",
    "redis_cluster",
    "redis_sentinels",
    "redis_server",
    "redis_servers",
]

PATIENCE: Final = 20.0
"""Seconds in which a server must be ready."""

SERVICE: Final = "chat"
"""The name of the primary that the Sentinels watch."""


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition is true, with errors of Redis as false."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if condition():
                return
            problem = "false"
        except (redis.RedisError, OSError) as error:
            problem = str(error)
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: {problem}")
        time.sleep(0.005)


class RedisServer(ServerProcess):
    """One server.

    Args:
        program: ``redis-server`` or ``redis-sentinel``.
        directory: The directory of its files.
        port: Its port.
        options: Lines of its configuration: the name and the value.
        password: The password of the user ``default``; None for no password.

    Attributes:
        directory: The directory of its files.
        port: Its port.
    """

    def __init__(
        self,
        directory: Path,
        port: int,
        options: Mapping[str, object] | None = None,
        *,
        program: str = "redis-server",
        password: str | None = None,
    ) -> None:
        self.directory = directory
        self.port = port
        self._password = password
        config = directory / "redis.conf"
        lines = [] if program == "redis-sentinel" else ['save ""', "appendonly no"]
        lines += ["daemonize no", f"bind {HOST}", f"dir {directory}", f"port {port}"]
        lines += [f"{name} {value}" for name, value in (options or {}).items()]
        if password is not None:
            lines.append(f"requirepass {password}")
        config.write_text("\n".join(lines) + "\n")
        assert shutil.which(program), f"{program} is not installed: run scripts/install"
        super().__init__([program, str(config)], directory / "output")

    @property
    def address(self) -> str:
        """The address for ``adapter_for``."""
        user = "" if self._password is None else f":{self._password}@"
        return f"redis://{user}{HOST}:{self.port}"

    def command(self, *arguments: Any) -> Any:
        """Send a command on a connection of its own, and return the answer."""
        with redis.Redis(
            HOST,
            self.port,
            password=self._password,
            decode_responses=True,
            protocol=2,
            socket_timeout=PATIENCE,
        ) as client:
            client.response_callbacks.clear()  # the answers as they are
            return client.execute_command(*arguments)

    def is_ready(self) -> bool:
        """Return whether the server answers. Fail if it has ended."""
        if not self.is_running:
            raise AssertionError(f"the server on port {self.port} has ended: {self.output()}")
        return bool(self.command("PING"))

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self.launch()
        wait(self.is_ready, f"the server on port {self.port} does not answer")

    def restart(self) -> None:
        """Kill the server, and start it again on its port."""
        self.kill()
        self.start()

    def role(self) -> str:
        """Return ``master`` or ``slave``."""
        return str(self.command("ROLE")[0])

    def kill_clients(self, kind: str) -> None:
        """Close the connections of all clients of a kind: ``normal`` or ``pubsub``."""
        self.command("CLIENT", "KILL", "TYPE", kind)


@contextmanager
def _directories(count: int) -> Iterator[list[Path]]:
    """Make directories with short paths, and remove them at the end."""
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        paths = [Path(name) / str(number) for number in range(count)]
        for path in paths:
            path.mkdir()
        yield paths


@contextmanager
def redis_servers(
    count: int, options: Mapping[str, object] | None = None, *, password: str | None = None
) -> Iterator[list[RedisServer]]:
    """Run independent servers."""
    with ExitStack() as stack:
        servers = []
        directories = stack.enter_context(_directories(count))
        for directory, port in zip(directories, free_ports(count), strict=True):
            server = RedisServer(directory, port, options, password=password)
            stack.callback(server.terminate)
            server.launch()
            servers.append(server)
        for server in servers:
            wait(server.is_ready, f"the server on port {server.port} does not answer")
        yield servers


@contextmanager
def redis_server(
    options: Mapping[str, object] | None = None, *, password: str | None = None
) -> Iterator[RedisServer]:
    """Run one server.

    Args:
        options: Lines of its configuration: the name and the value.
        password: The password of the user ``default``; None for no password.
    """
    with redis_servers(1, options, password=password) as (server,):
        yield server


class RedisSentinels:
    """A primary, its replicas, and Sentinels that watch them.

    Attributes:
        servers: The primary and the replicas. The first one is the primary at the start.
        sentinels: The Sentinels.
    """

    def __init__(self, servers: list[RedisServer], sentinels: list[RedisServer]) -> None:
        self.servers = servers
        self.sentinels = sentinels

    @property
    def address(self) -> str:
        """The address for ``adapter_for``."""
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def primary_by(self, sentinel: RedisServer) -> RedisServer:
        """Return the server that a Sentinel says is the primary."""
        _, port = sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(port))

    @property
    def primary(self) -> RedisServer:
        """The primary, once all Sentinels agree and it has that role."""
        found: list[RedisServer] = []

        def is_found() -> bool:
            named = {self.primary_by(one) for one in self.sentinels if one.is_answering}
            found[:] = named
            return len(named) == 1 and found[0].role() == "master"

        wait(is_found, "the Sentinels do not agree on a primary")
        return found[0]

    def failover(self) -> RedisServer:
        """Make a replica the primary, though the primary lives. Return the new primary."""
        before = self.primary
        try:
            self.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
        except redis.ResponseError as error:
            if "INPROG" not in str(
                error
            ):  # else a Sentinel has begun one, because the primary was slow
                raise
        wait(lambda: self.primary is not before, "no failover")
        return self.primary

    def follows_all(self) -> bool:
        """Return whether all Sentinels know all replicas and each other."""
        for sentinel in self.sentinels:
            state = sentinel.command("SENTINEL", "MASTER", SERVICE)
            fields = dict(zip(state[::2], state[1::2], strict=True))
            if int(fields["num-slaves"]) != len(self.servers) - 1 or "down" in fields["flags"]:
                return False
            replicas = sentinel.command("SENTINEL", "REPLICAS", SERVICE)
            for replica in replicas:
                if dict(zip(replica[::2], replica[1::2], strict=True))["flags"] != "slave":
                    return False
        return True


@contextmanager
def redis_sentinels(
    replicas: int = 2, sentinels: int = 3, *, down_after: int = 1000
) -> Iterator[RedisSentinels]:
    """Run a primary with replicas and Sentinels.

    Args:
        replicas: The number of replicas.
        sentinels: The number of Sentinels. Most of them must agree on a failover.
        down_after: Milliseconds after which a server that does not answer counts as down.
    """
    count = 1 + replicas
    with ExitStack() as stack:
        directories = stack.enter_context(_directories(count + sentinels))
        ports = free_ports(count + sentinels)
        servers = []
        for number, directory in enumerate(directories[:count]):
            options: dict[str, object] = {
                "repl-diskless-sync-delay": 0,
                "repl-diskless-load": "on-empty-db",
                "repl-ping-replica-period": 1,
            }
            if number:
                options["replicaof"] = f"{HOST} {ports[0]}"
            servers.append(RedisServer(directory, ports[number], options))
        guards = []
        ids = [f"{number + 1:040x}" for number in range(sentinels)]
        for number, directory in enumerate(directories[count:]):
            guard = RedisServer(directory, ports[count + number], program="redis-sentinel")
            lines = [
                f"sentinel myid {ids[number]}",
                f"sentinel monitor {SERVICE} {HOST} {ports[0]} {sentinels // 2 + 1}",
                f"sentinel down-after-milliseconds {SERVICE} {down_after}",
                f"sentinel failover-timeout {SERVICE} 5000",
            ]
            lines += [f"sentinel known-replica {SERVICE} {HOST} {one}" for one in ports[1:count]]
            lines += [
                f"sentinel known-sentinel {SERVICE} {HOST} {ports[count + other]} {ids[other]}"
                for other in range(sentinels)
                if other != number
            ]
            with (directory / "redis.conf").open("a") as config:
                config.write("\n".join(lines) + "\n")
            guards.append(guard)
        for server in servers + guards:
            stack.callback(server.terminate)
            server.launch()
        for server in servers + guards:
            wait(server.is_ready, f"the server on port {server.port} does not answer")
        running = RedisSentinels(servers, guards)
        wait(running.follows_all, "the Sentinels do not know all servers")
        yield running


class RedisCluster:
    """A cluster.

    Attributes:
        servers: First the primaries, in the order of their slots, and then a replica of each if there are replicas.
    """

    def __init__(self, servers: list[RedisServer]) -> None:
        self.servers = servers

    @property
    def address(self) -> str:
        """The address for ``adapter_for``."""
        hosts = ",".join(f"{HOST}:{server.port}" for server in self.servers)
        return f"redis+cluster://{hosts}"

    def owner(self, slot: int) -> RedisServer:
        """Return the primary of a slot, as all running servers see it."""
        found: list[RedisServer] = []

        def is_found() -> bool:
            seen = {self._owner_by(one, slot) for one in self.servers if one.is_answering}
            found[:] = [one for one in self.servers if one.port in seen]
            return len(seen) == 1 and len(found) == 1 and found[0].is_answering

        wait(is_found, f"the servers do not agree on slot {slot}")
        return found[0]

    def _owner_by(self, server: RedisServer, slot: int) -> int | None:
        for first, last, primary, *_ in server.command("CLUSTER", "SLOTS"):
            if int(first) <= slot <= int(last):
                return int(primary[1])
        return None

    def replica_of(self, primary: RedisServer) -> RedisServer:
        """Return a replica that is connected to its primary."""
        found: list[RedisServer] = []

        def is_found() -> bool:
            for server in self.servers:
                if server.is_answering and server is not primary:
                    role = server.command("ROLE")
                    if (
                        role[0] == "slave"
                        and int(role[2]) == primary.port
                        and role[3] == "connected"
                    ):
                        found.append(server)
            return bool(found)

        wait(is_found, f"no replica of port {primary.port}")
        return found[0]

    def failover(self, primary: RedisServer, *, force: bool = False) -> RedisServer:
        """Make a replica the primary. Return it.

        Args:
            primary: The primary until now.
            force: Whether the replica does not ask the primary, because that is down.
        """
        replica = self.replica_of(primary) if not force else self.servers[self._partner(primary)]
        replica.command("CLUSTER", "FAILOVER", *(["TAKEOVER"] if force else []))
        wait(lambda: replica.role() == "master", "no failover")
        return replica

    def _partner(self, primary: RedisServer) -> int:
        half = len(self.servers) // 2
        return (self.servers.index(primary) + half) % len(self.servers)

    def move(self, slot: int, target: RedisServer) -> None:
        """Give a slot without keys to another primary, as a resharding does."""
        source = self.owner(slot)
        own = {server: str(server.command("CLUSTER", "MYID")) for server in (source, target)}
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", own[source])
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", own[target])
        target.command("CLUSTER", "SETSLOT", slot, "NODE", own[target])
        source.command("CLUSTER", "SETSLOT", slot, "NODE", own[target])
        wait(lambda: self.owner(slot) is target, f"slot {slot} was not moved")

    def is_ok(self) -> bool:
        """Return whether each server has all slots and reaches all others."""
        for server in self.servers:
            info = str(server.command("CLUSTER", "INFO"))
            if "cluster_state:ok" not in info:
                return False
        return True


@contextmanager
def redis_cluster(
    primaries: int = 3, *, replicas: bool = False, node_timeout: int = 2000
) -> Iterator[RedisCluster]:
    """Run a cluster.

    Args:
        primaries: The number of primaries. The slots are divided among them.
        replicas: Whether each primary has a replica.
        node_timeout: Milliseconds after which a server that does not answer counts as down.
    """
    count = primaries * 2 if replicas else primaries
    with ExitStack() as stack:
        directories = stack.enter_context(_directories(count))
        ports = free_ports(2 * count)
        servers = []
        for number, directory in enumerate(directories):
            options = {
                "cluster-enabled": "yes",
                "cluster-config-file": "nodes.conf",
                "cluster-node-timeout": node_timeout,
                "cluster-port": ports[count + number],
                "repl-diskless-sync-delay": 0,
            }
            lines = [_node_line(one, number, primaries, ports) for one in range(count)]
            lines.append(f"vars currentEpoch {count} lastVoteEpoch 0")
            (directory / "nodes.conf").write_text("\n".join(lines) + "\n")
            servers.append(RedisServer(directory, ports[number], options))
        for server in servers:
            stack.callback(server.terminate)
            server.launch()
        for server in servers:
            wait(server.is_ready, f"the server on port {server.port} does not answer")
        running = RedisCluster(servers)
        wait(running.is_ok, "the cluster is not ready")
        yield running


def _node_line(number: int, of: int, primaries: int, ports: list[int]) -> str:
    """Return the line of a server in the nodes.conf of a server."""
    count = len(ports) // 2
    names = [f"{one + 1:040x}" for one in range(count)]
    flags = "myself," if number == of else ""
    place = f"{names[number]} {HOST}:{ports[number]}@{ports[count + number]}"
    if number >= primaries:
        primary = number - primaries
        return f"{place} {flags}slave {names[primary]} 0 0 {primary + 1} connected"
    first = 16384 * number // primaries
    last = 16384 * (number + 1) // primaries - 1
    return f"{place} {flags}master - 0 0 {number + 1} connected {first}-{last}"
