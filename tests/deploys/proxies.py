"""The proxies of docs/deploys.md, from its own files: only addresses, ports, files, users and the
limit of HAProxy's clients are those of the test."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.brokers.processes import HOST, ServerProcess, free_ports
from tests.support.certificates import Authority
from tests.support.pages import ROOT

__all__ = ["FILES", "PROXIES", "Proxy", "replace", "run_proxy"]

FILES: Final = ROOT / "docs/deploys"
PATIENCE: Final = 20.0

_ADDRESSES: Final = ("10.0.0.1:4000", "10.0.0.2:4000")


class Proxy:
    """A proxy that runs.

    Attributes:
        port: The port for clients, with TLS.
        certfile: The certificate of the authority that clients trust.
        tls: The TLS context of a client.
    """

    def __init__(self, port: int, authority: Authority, process: ServerProcess) -> None:
        self.port = port
        self.certfile = authority.certfile
        self.tls = authority.trusting()
        self._process = process

    @property
    def output(self) -> str:
        """What the proxy has written."""
        return self._process.output()

    async def until_listening(self) -> None:
        """Wait until the proxy accepts connections.

        Raises:
            AssertionError: The proxy has ended.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                assert self._process.is_running, self.output
                try:
                    _, writer = await asyncio.open_connection(HOST, self.port)
                except ConnectionRefusedError:
                    continue
                writer.transport.abort()
                return


def replace(text: str, *pairs: tuple[str, str]) -> str:
    """Replace texts, each of which must be there."""
    for old, new in pairs:
        assert old in text, f"the file has no {old!r}"
        text = text.replace(old, new)
    return text


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"no {name}: run scripts/install")
    return path


def _nodes(ports: Sequence[int]) -> list[tuple[str, str]]:
    return [(address, f"{HOST}:{port}") for address, port in zip(_ADDRESSES, ports, strict=True)]


def _nginx(folder: Path, authority: Authority, port: int, nodes: Sequence[int]) -> list[str]:
    """Write nginx's files; return its command."""
    program = _program("nginx")
    certificate = authority.certify("nginx")
    text = replace(
        (FILES / "nginx.conf").read_text(),
        ("/run/nginx.pid", f"{folder}/nginx.pid"),
        ("/var/log/nginx/error.log", "stderr"),
        ("/var/log/nginx/access.log", f"{folder}/access.log"),
        ("listen 443", f"listen {HOST}:{port}"),
        ("/etc/nginx/chat.pem", str(certificate.certfile)),
        ("/etc/nginx/chat.key", str(certificate.keyfile)),
        *_nodes(nodes),
    )
    path = folder / "nginx.conf"
    path.write_text(text)
    return [program, "-e", "stderr", "-c", str(path), "-g", "daemon off;"]


def _haproxy(folder: Path, authority: Authority, port: int, nodes: Sequence[int]) -> list[str]:
    """Write HAProxy's files; return its command."""
    program = _program("haproxy")
    certificate = authority.certify("haproxy")
    both = folder / "both.pem"
    both.write_text(certificate.certfile.read_text() + certificate.keyfile.read_text())
    text = replace(
        (FILES / "haproxy.cfg").read_text(),
        ("maxconn 20000", "maxconn 2000"),  # HAProxy refuses to start below its number of files
        ("bind :443", f"bind {HOST}:{port}"),
        ("/etc/haproxy/chat.pem", str(both)),
        *_nodes(nodes),
    )
    if os.geteuid() != 0:  # only root can change the user
        text = replace(text, ("    user haproxy\n    group haproxy\n", ""))
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return [program, "-db", "-f", str(path)]


PROXIES: Final[dict[str, Callable[..., list[str]]]] = {"nginx": _nginx, "haproxy": _haproxy}


@asynccontextmanager
async def run_proxy(name: str, folder: Path, nodes: Sequence[int]) -> AsyncIterator[Proxy]:
    """Run a proxy.

    Args:
        name: Its name in :data:`PROXIES`.
        folder: The folder of its files.
        nodes: The ports of the two nodes.
    """
    authority = Authority(folder)
    [port] = free_ports(1)
    process = ServerProcess(PROXIES[name](folder, authority, port, nodes), folder / "output")
    proxy = Proxy(port, authority, process)
    process.launch()
    try:
        await proxy.until_listening()
        yield proxy
    finally:
        process.terminate()
