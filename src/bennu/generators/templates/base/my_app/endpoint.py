"""The endpoint: the sockets, and what they share."""

from __future__ import annotations

import os

from bennu import Endpoint, Limits

from .presence import presence
from .secret_key import secret_key
from .socket import user_socket

__all__ = ["endpoint"]

endpoint = Endpoint(
    sockets={"/socket": user_socket},
    presence=presence,
    secret_key=secret_key(),
    health="/health",
    hosts=os.environ.get("HOSTS", "").split() or None,  # "example.com" in production
    limits=Limits(
        connections=5_000,  # of one process
        connections_per_ip=100,  # a whole office can have one address
        connects_per_ip="5/second, burst 100",
    ),
)
