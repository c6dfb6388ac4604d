"""The endpoint behind a proxy: ``bennu run tests.deploys.app:endpoint``. Its settings are those of docs/deploys.md."""

from __future__ import annotations

from typing import Any

from bennu import Channel, ConnectInfo, Drain, Endpoint, LongPoll, Socket
from tests.cluster.app import brief, channels, steady

__all__ = ["HOST", "endpoint"]

HOST = "chat.example.com"


class Visitor:
    """What a node knows of a client.

    Attributes:
        name: Its name.
        request: Its address, and the scheme and the host of its request.
    """

    def __init__(self, params: dict[str, str], info: ConnectInfo) -> None:
        self.name = params.get("name", "somebody")
        self.request = [info.peer.host, info.uri.scheme, info.uri.host]


class Mirror(Channel[Visitor]):
    """Tells a client what the node knows of it."""

    async def join(self) -> dict[str, Any]:
        return {"node": self.endpoint.node, "request": self.assigns.request}


async def connect(params: dict[str, str], info: ConnectInfo) -> Visitor:
    return Visitor(params, info)


def _socket(**options: Any) -> Socket[Visitor]:
    return Socket(
        connect=connect,
        channels={**channels, "mirror": Mirror},
        id=lambda visitor: f"users:{visitor.name}",
        longpoll=LongPoll(),
        drain=Drain(batch_size=20, batch_interval=1.0),
        **options,
    )


endpoint = Endpoint(
    sockets={"/socket": _socket(), "/polled": _socket(websocket=False)},
    presence=[brief, steady],
    hosts=[HOST, "localhost", "127.0.0.1"],
    trusted_proxies=["127.0.0.1"],
    health="/health",
)
