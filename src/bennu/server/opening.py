"""Which kind of link a client gets."""

from __future__ import annotations

from ..raw import RawSocket
from .accepted import Accepted
from .connection import Connection
from .link import Link
from .rate_limit import RatedConnection
from .rated_raw import RatedRawConnection
from .raw_connection import RawConnection
from .refused import RefusedConnection
from .server import Server
from .transport import Transport

__all__ = ["open_link"]


def open_link(server: Server, accepted: Accepted, wire: Transport) -> Link:
    """Begin a connection on a wire.

    Args:
        server: The endpoint's.
        accepted: What the handshake found.
        wire: The transport, ready to be written to.
    """
    if accepted.refusal is not None:
        return RefusedConnection(server, accepted, wire)
    is_rated: bool = accepted.socket.is_rated
    if isinstance(accepted.socket, RawSocket):
        raw = RatedRawConnection if is_rated else RawConnection
        return raw(server, accepted, wire)
    return (RatedConnection if is_rated else Connection)(server, accepted, wire)
