"""A request as the proxies between it and us say it was: see :mod:`bennu._protocol.forwarded`."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, Final

from .._protocol.forwarded import TrustedProxies
from ..connect_info import AUTHORITY

__all__ = ["PEER", "as_proxies_say"]

logger = logging.getLogger("bennu")

PEER: Final = "bennu.peer"
"""Where in the scope of our own server the address stands that a connection comes from, whatever
middleware made of ``client``."""


def as_proxies_say(
    proxies: TrustedProxies, scope: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Return a scope with the client, the scheme and the host that trusted proxies name."""
    peer = scope[PEER] if PEER in scope else scope.get("client")
    said = proxies.read(peer[0] if peer else None, scope["headers"])
    if said is None:
        return scope
    if said.malformed:
        names = ", ".join(said.malformed)
        logger.warning(
            "Ignoring what a proxy says of a connection to %s: malformed %s", scope["path"], names
        )
    known = {"client": said.client, "scheme": said.scheme, AUTHORITY: said.authority}
    return {**scope, **{key: value for key, value in known.items() if value is not None}}
