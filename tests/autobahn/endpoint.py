"""What the suite talks to: a raw socket that echoes, once as it is, once with compression."""

from bennu import Endpoint, RawHandler, RawSocket

__all__ = ["endpoint"]

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes; the longest message of the suite has half of that."""


class Echo(RawHandler[None]):
    """It sends back what it gets, as it got it."""

    async def receive(self, message: str | bytes) -> str | bytes:
        return message


async def connect() -> None:
    """Everybody is welcome."""


def socket(*, compress: bool) -> RawSocket[None]:
    """Return a socket right at its mount."""
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
