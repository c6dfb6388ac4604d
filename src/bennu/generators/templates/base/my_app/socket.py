"""The socket: who may connect, how often, and which channels there are."""

from __future__ import annotations

from bennu import ConnectInfo, Rates, Socket
from msgspec import Struct

from .room import RoomChannel
from .tokens import read
from .users import User

__all__ = ["user_socket"]


class ConnectParams(Struct):
    """The parameters of a connect.

    Attributes:
        token: The token, from a client that can't send it as phoenix.js does.
    """

    token: str | None = None


async def authenticate(params: ConnectParams, info: ConnectInfo) -> User:
    """Let in a client with a valid token, as the user of the token."""
    return read(info.auth_token or params.token)


user_socket = Socket(
    connect=authenticate,
    id=lambda user: (
        f"users:{user.id}"
    ),  # endpoint.disconnect("users:...") signs a user out
    channels={
        "room:{room}": RoomChannel,
    },
    auth_token=True,
    longpoll=True,  # for clients that can't open a WebSocket
    max_channels=20,
    max_frame_size=65_536,  # bytes
    rates=Rates(
        joins="20/10s",
        messages="20/second, burst 100",
        bytes="32k/second, burst 256k",
    ),
)
