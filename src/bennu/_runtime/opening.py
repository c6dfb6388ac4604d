"""Which kind of link a client gets."""

from __future__ import annotations

from ..raw import RawSocket
from .accepted import Accepted
from .connection import Connection
from .link import Link
from .rated import RatedConnection
from .rated_raw import RatedRawConnection
from .raw import RawConnection
from .refused import RefusedConnection
from .runtime import Runtime
from .transport import Transport

__all__ = ["open_link"]


def open_link(runtime: Runtime, accepted: Accepted, wire: Transport) -> Link:
    """Begin a connection on a wire.

    Args:
        runtime: The endpoint's.
        accepted: What the handshake found.
        wire: The transport, ready to be written to.
    """
    if accepted.refusal is not None:
        return RefusedConnection(runtime, accepted, wire)
    is_rated: bool = accepted.socket.is_rated
    if isinstance(accepted.socket, RawSocket):
        raw = RatedRawConnection if is_rated else RawConnection
        return raw(runtime, accepted, wire)
    return (RatedConnection if is_rated else Connection)(runtime, accepted, wire)
