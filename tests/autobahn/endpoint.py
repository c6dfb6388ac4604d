"""The server of the suite: raw sockets that echo, one without and one with compression."""

from bennu import Endpoint, RawHandler, RawSocket

__all__ = ["endpoint"]

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes; the longest message of the suite has half of them."""


class Echo(RawHandler[None]):
    """Sends each message back unchanged."""

    async def receive(self, message: str | bytes) -> str | bytes:
        return message


async def connect() -> None:
    """Accept every client."""


def socket(*, compress: bool) -> RawSocket[None]:
    """Return a socket whose path is its mount."""
    return RawSocket(
        connect=connect,
        handler=Echo,
        path="",
        compress=compress,
        max_frame_size=MAX_MESSAGE,
        max_unsent=MAX_MESSAGE,
    )


endpoint = Endpoint(
    sockets={"/plain": socket(compress=False), "/compressed": socket(compress=True)},
    check_origin=False,
)
