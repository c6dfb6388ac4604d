"""The settings for proxies: asked seldom, and obeyed."""

from __future__ import annotations

import pytest

from bennu.client import ConnectFailed
from bennu.client.proxies import ProxySettings
from bennu.client.transport import ConnectTarget
from bennu.client.urls import SocketURL
from bennu.client.websocket import open_websocket
from tests.support.memory import endpoint_of
from tests.support.servers import serve

from .test_client_server import Room


def test_the_settings_are_read_once_in_ten_seconds() -> None:
    times = iter([0.0, 9.9, 10.0, 19.9])
    answers = iter([{}, {"http": "http://proxy"}])
    settings = ProxySettings(lambda: next(answers), lambda: next(times))
    assert [settings.are_there for _ in range(4)] == [False, False, True, True]


@pytest.mark.clock("both loops")
async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve("native", endpoint_of({"room:*": Room})) as server:
        target = ConnectTarget(
            url=SocketURL(server.url("/socket")),
            query="vsn=2.0.0",
            token=None,
            headers={},
            ssl=None,
            timeout=10,
            max_size=1_000_000,
            http=None,
        )
        transport = await open_websocket(target, ProxySettings(dict))
        await transport.close(1000, "")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("ws_proxy", "http://127.0.0.1:1")  # nobody listens there
        with pytest.raises(ConnectFailed):
            await open_websocket(target, ProxySettings())
