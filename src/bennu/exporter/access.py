"""Decides who may read the metrics. Pure.

With a token, anyone who brings it. Without a token, programs on this machine: the request comes from a loopback address, for a
loopback name, and no header says that a proxy has forwarded it. A proxy in front of Bennu keeps the Host header, because the
check of origins needs it, so what it forwards has another name. A page of a browser that reaches this machine under a name of
its own (DNS rebinding) has another name, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from ..api.keys import APIKeys, key_of
from ..protocol.hosts import LOOPBACK, HostVerdict, is_loopback

__all__ = ["Access", "AccessCheck", "is_local"]

FORWARDED: Final = frozenset(
    (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
)
"""Headers that proxies add."""


class Access(Enum):
    """The decision on a request.

    Attributes:
        status: The HTTP status of the answer.
        text: The body of the answer to a refused request.
    """

    ALLOWED = (200, "")
    NO_TOKEN = (401, "The metrics need a token: Authorization: Bearer ...")
    WRONG_TOKEN = (401, "The token is wrong")
    NOT_LOCAL = (
        403,
        "Only programs on the same machine get the metrics, without Endpoint(metrics=Metrics(token=...))",
    )

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text


class AccessCheck:
    """Decides on requests.

    Args:
        tokens: The tokens, any of which is right; none if only local requests are allowed.
    """

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self._tokens = APIKeys(dict.fromkeys(tokens, "metrics")) if tokens else None

    def judge(self, scope: Mapping[str, Any]) -> Access:
        """Return the decision on a request.

        Args:
            scope: The request, with the values of trusted proxies.
        """
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        if self._tokens is None:
            return Access.ALLOWED if is_local(scope) else Access.NOT_LOCAL
        token = key_of(dict(reversed(headers)))
        if token is None:
            return Access.NO_TOKEN
        is_right = self._tokens.name_of(token) is not None
        return Access.ALLOWED if is_right else Access.WRONG_TOKEN


def is_local(scope: Mapping[str, Any]) -> bool:
    """Return whether a program on this machine has sent a request itself.

    Args:
        scope: The request, with the values of trusted proxies.
    """
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        return False
    if any(name in FORWARDED for name, _ in headers):
        return False
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    return LOOPBACK.judge(hosts) is HostVerdict.FITS
