"""Requests for hosts that an endpoint serves, and for other hosts: over WebSockets and long polling."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import Channel, Endpoint, Socket
from bennu.errors import DefinitionError
from bennu.testing.polling import Browser
from tests.support.raw import ask
from tests.support.servers import serve

TARGET = "/socket/websocket?vsn=2.0.0"
PLAIN: dict[str, str | None] = {"Connection": "close", "Upgrade": None}

MALFORMED: dict[str, dict[str, str | None]] = {
    "missing": {"Host": None},
    "empty": {"Host": ""},
    "no host": {"Host": "a b"},
}


class Room(Channel[Any]): ...


def make(**options: Any) -> Endpoint:
    """Return an endpoint that accepts all origins, so that only the host matters."""
    channels = {"room:*": Room}
    socket: Socket[None] = Socket(
        connect=lambda: None, channels=channels, longpoll=True, refusals="readable"
    )
    return Endpoint(sockets={"/socket": socket}, health="/health", check_origin=False, **options)


SERVERS = ["native", "uvicorn", "hypercorn", "granian"]


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize(
    "options", [{"hosts": ["127.0.0.1", "*.example.com"]}, {"debug": True}], ids=["hosts", "debug"]
)
async def test_another_host_is_refused(
    name: str, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is 403, and the log says what to write. The refusal is not readable."""
    foreign: dict[str, str | None] = {"Host": "evil.test:4000", "Origin": "http://evil.test:4000"}
    async with serve(name, make(**options)) as server:
        assert (await ask(server, TARGET)).status == 101
        caplog.clear()
        assert (await ask(server, TARGET, foreign)).status == 403
        assert 'write Endpoint(hosts=["evil.test"])' in caplog.text
        for method in ("GET", "POST", "OPTIONS"):
            longpoll = {**foreign, **PLAIN, "Content-Length": "0"}
            answer = await ask(server, "/socket/longpoll?vsn=2.0.0", longpoll, method=method)
            assert (answer.status, answer.body) == (403, '{"status":403}')
        mine = await ask(server, "/socket/longpoll?vsn=2.0.0", PLAIN)
        assert '"status":410' in mine.body
        assert (await ask(server, "/health/ready", {**foreign, **PLAIN})).status == 200


@pytest.mark.parametrize("headers", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_host_is_refused(
    headers: dict[str, str | None], caplog: pytest.LogCaptureFixture
) -> None:
    async with serve("native", make(hosts=["*"])) as server:
        assert (await ask(server, TARGET, headers)).status == 400
        plain = await ask(server, "/socket/longpoll?vsn=2.0.0", {**PLAIN, **headers})
        assert plain.status == 400
    assert "needs one Host header" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("options", [{}, {"hosts": ["a.example", "b.example"]}])
async def test_two_hosts_are_always_malformed(options: dict[str, Any]) -> None:
    """The server can't know which of them is right."""
    endpoint = make(**options)
    await endpoint.start()
    request = Browser(endpoint).start("GET", more_headers=[("host", "b.example")])
    assert (await request.answer()).http_status == 400
    await endpoint.stop()


async def test_in_production_every_host_is_served_unless_told() -> None:
    async with serve("native", make(debug=False)) as server:
        assert (await ask(server, TARGET, {"Host": "anything.example"})).status == 101


@pytest.mark.parametrize(
    ("listener", "status"),
    [
        (("127.0.0.1", 80), 403),
        (("::1", 80, 0, 0), 403),
        (("192.0.2.1", 80), 200),
        (("/run/bennu.sock", None), 200),
        (None, 200),
    ],
)
async def test_in_development_it_is_the_listener_that_counts(listener: Any, status: int) -> None:
    """A listener that is reachable from the network can have unknown names."""
    endpoint = make(debug=True)
    await endpoint.start()
    answer = await Browser(endpoint).get(headers={"host": "box.lan"}, server=listener)
    assert answer.http_status == status
    await endpoint.stop()


async def test_the_host_is_the_one_that_trusted_proxies_name() -> None:
    """A proxy can send another Host header."""
    endpoint = make(hosts=["chat.example"], trusted_proxies=["127.0.0.1"])
    async with serve("native", endpoint) as server:
        said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "chat.example"}
        assert (await ask(server, TARGET, {**said, "Host": "upstream"})).status == 101
        other = {**said, "X-Forwarded-Host": "evil.test", "Host": "chat.example"}
        assert (await ask(server, TARGET, other)).status == 403
        assert (await ask(server, TARGET, {"Host": "chat.example"})).status == 101
    untrusting = make(hosts=["chat.example"])
    async with serve("native", untrusting) as server:
        assert (await ask(server, TARGET, {**said, "Host": "upstream"})).status == 403


@pytest.mark.parametrize("hosts", [[], "example.com", ["http://example.com"]])
def test_hosts_that_are_none_are_found_at_start_up(hosts: Any) -> None:
    with pytest.raises(DefinitionError, match=r"Endpoint\(hosts=\.\.\.\)"):
        make(hosts=hosts)
