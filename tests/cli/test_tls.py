"""``bennu run`` with a certificate: wss without a proxy."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from tests.support.certificates import Authority, Certificate
from tests.support.frames import ok, reply
from tests.support.servers import Server, until_listening
from tests.support.wire import V2, Phoenix

from .command import bennu

pytestmark = pytest.mark.clock("real")

APP = """
from bennu import Channel, ConnectInfo, Endpoint, Socket, on

class Room(Channel[ConnectInfo]):
    @on("uri")
    async def uri(self) -> dict:
        return {"scheme": self.assigns.uri.scheme, "port": self.assigns.uri.port}

    @on("echo")
    async def echo(self, payload: dict) -> dict:
        return payload

async def connect(params: dict, info: ConnectInfo) -> ConnectInfo:
    return info

socket = Socket(connect=connect, channels={"room:*": Room}, check_origin="conn")
endpoint = Endpoint(sockets={"/socket": socket}, health="/health")
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def certificate(authority: Authority) -> Certificate:
    return authority.certify("server")


def options(certificate: Certificate) -> tuple[str, ...]:
    """Return the command's options for a certificate."""
    return (
        *("--port", "0", "--ssl-certfile", str(certificate.certfile)),
        *("--ssl-keyfile", str(certificate.keyfile)),
    )


@asynccontextmanager
async def phoenix(server: Server, context: ssl.SSLContext, **more: Any) -> AsyncIterator[Phoenix]:
    """Connect a client with TLS."""
    url = server.url("/socket/websocket?vsn=2.0.0", "wss")
    async with connect(url, ssl=context, **more) as websocket:
        yield Phoenix(websocket, V2)


async def use(server: Server, context: ssl.SSLContext, **more: Any) -> None:
    """Connect, join, and exchange messages, a large one too."""
    async with phoenix(server, context, **more) as client:
        assert await client.join("room:1") == ok()
        await client.push("room:1", "uri")
        uri = ok({"scheme": "https", "port": server.port})
        await client.expect(reply("1", "2", "room:1", uri))
        large = {"text": "x" * 300_000}
        await client.push("room:1", "echo", large)
        await client.expect(reply("1", "3", "room:1", ok(large)))


async def test_clients_that_trust_it_are_served(
    folder: Path, authority: Authority, certificate: Certificate
) -> None:
    """The transport is native. The request's URI has https, and so has the origin of pages that are accepted."""
    async with bennu(folder, "app:endpoint", *options(certificate)) as command:
        server = await command.listening()
        assert "https://" in command.output
        context = authority.trusting()
        await use(server, context)
        await use(server, context, origin=server.url("", "https"))
        with pytest.raises(InvalidStatus, match="403"):
            await use(server, context, origin=server.url("", "http"))
        async with httpx.AsyncClient(verify=context) as client:
            response = await client.get(server.url("/health/ready", "https"))
            assert response.status_code == 200
        assert await command.stop() == 0
    assert "Traceback" not in command.output


async def test_clients_that_trust_another_authority_are_not(
    folder: Path, certificate: Certificate
) -> None:
    """They refuse the certificate, and the server goes on."""
    stranger = Authority(folder, "stranger")
    async with bennu(folder, "app:endpoint", *options(certificate)) as command:
        server = await command.listening()
        with pytest.raises(ssl.SSLCertVerificationError):
            await use(server, stranger.trusting())
        with pytest.raises((OSError, EOFError, InvalidHandshake)):
            async with connect(server.url("/socket/websocket?vsn=2.0.0", "ws")):
                pass
        assert await command.stop() == 0
    assert "Traceback" not in command.output


async def test_clients_leave_with_1012(
    folder: Path, authority: Authority, certificate: Certificate
) -> None:
    """The drain and the closing handshake are the same."""
    async with bennu(folder, "app:endpoint", *options(certificate)) as command:
        server = await command.listening()
        async with phoenix(server, authority.trusting()) as client:
            command.process.send_signal(signal.SIGTERM)
            assert await client.closed() == (1012, "draining")
        assert await command.end() == 0


async def test_a_key_may_be_encrypted(folder: Path, authority: Authority) -> None:
    """The password comes from an option, or from the environment, which a list of processes does not show."""
    certificate = authority.certify("server", password=b"sesame")
    password = {"BENNU_SSL_KEYFILE_PASSWORD": "sesame"}
    async with bennu(folder, "app:endpoint", *options(certificate), env=password) as command:
        await use(await command.listening(), authority.trusting())
        assert await command.stop() == 0
    async with bennu(folder, "app:endpoint", *options(certificate)) as command:
        assert await command.end() == 2
    assert "expected a certificate and its key in PEM" in command.output


async def test_clients_may_need_a_certificate_too(
    folder: Path, authority: Authority, certificate: Certificate
) -> None:
    """The server names the authority."""
    strangers = Authority(folder, "stranger")
    arguments = (*options(certificate), "--ssl-ca-certs", str(authority.certfile))
    async with bennu(folder, "app:endpoint", *arguments) as command:
        server = await command.listening()
        await use(server, authority.trusting(authority.certify("ann")))
        for own in (None, strangers.certify("eve")):
            with pytest.raises((OSError, EOFError, httpx.TransportError)):
                await ask_with(server, authority.trusting(own))
        assert await command.stop() == 0


async def ask_with(server: Server, context: ssl.SSLContext) -> None:
    """Send a request. A client without a valid certificate gets no answer."""
    async with httpx.AsyncClient(verify=context) as client:
        await client.get(server.url("/health/ready", "https"))


async def test_it_serves_https_when_it_reloads(
    folder: Path, authority: Authority, certificate: Certificate
) -> None:
    async with bennu(folder, "app:endpoint", *options(certificate), "--reload") as command:
        server = await command.listening()
        await until_listening(server)  # that line is of the parent, which binds and does not listen
        await use(server, authority.trusting())
        assert await command.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ssl-keyfile", "server.key"), "--ssl-certfile is missing"),
        (("--ssl-certfile", "nothing.pem"), "'nothing.pem' does not exist"),
        (("--ssl-certfile", "app.py"), "--ssl-certfile app.py: expected a certificate"),
        (
            ("--ssl-certfile", "server.pem", "--ssl-keyfile", "other.key"),
            "--ssl-certfile server.pem, --ssl-keyfile other.key: expected a certificate",
        ),
    ],
    ids=["no certificate", "no file", "no PEM", "another's key"],
)
async def test_what_cannot_be_used_is_said_at_once(
    folder: Path, authority: Authority, arguments: tuple[str, ...], message: str
) -> None:
    """The command fails without a traceback."""
    authority.certify("server")
    authority.certify("other")
    async with bennu(folder, "app:endpoint", *arguments) as command:
        assert await command.end() == 2
    assert message in command.output
    assert "Traceback" not in command.output


async def test_a_handshake_that_stalls_has_the_time_of_a_head(
    folder: Path, certificate: Certificate
) -> None:
    """uvicorn would wait for a minute. Another client is served in this time."""
    more = (*options(certificate), "--handshake-timeout", "0.5")
    async with bennu(folder, "app:endpoint", *more) as command:
        server = await command.listening()
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(sent)
            async with asyncio.timeout(10):
                assert await reader.read() == b""
            writer.close()
        assert await command.stop() == 0
    assert "Traceback" not in command.output
