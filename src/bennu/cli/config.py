"""uvicorn's configuration, with the options that only ``bennu run`` has."""

from __future__ import annotations

import os
from typing import Any

import uvicorn

from ..logs.log import Log
from ..protocol.proxies import TrustedProxies
from ..transports.proxied import Proxied
from .access_log import hide_queries
from .head_limits import DEFAULT_BODY_TIMEOUT, DEFAULT_LIMITS, HeadLimits

__all__ = ["Config"]


class Config(uvicorn.Config):
    """uvicorn's configuration, and the options of Bennu.

    Args:
        app: As uvicorn's; so are all other options.
        head_limits: The limits of a request's head.
        body_timeout: Seconds in which a body must make progress.
        trusted_proxies: The proxies whose X-Forwarded headers count, for each part of the application. uvicorn's
            own ``proxy_headers`` is off.
    """

    def __init__(
        self,
        app: Any,
        *,
        head_limits: HeadLimits = DEFAULT_LIMITS,
        body_timeout: float = DEFAULT_BODY_TIMEOUT,
        trusted_proxies: TrustedProxies | None = None,
        **options: Any,
    ) -> None:
        super().__init__(app, proxy_headers=False, **options)
        if trusted_proxies is None and (theirs := os.environ.get("FORWARDED_ALLOW_IPS")):
            Log().warning(
                "FORWARDED_ALLOW_IPS is uvicorn's, and does nothing under bennu run:"
                " write --trusted-proxies %s",
                theirs,
            )
        self.head_limits = head_limits
        self.body_timeout = body_timeout
        self.trusted_proxies = trusted_proxies

    def configure_logging(self) -> None:
        """Configure logging, and have uvicorn's lines show no query."""
        super().configure_logging()
        hide_queries()

    def load(self) -> None:
        """Load the application, and put what knows the proxies in front of it."""
        super().load()
        if self.trusted_proxies is not None:
            self.loaded_app: Any = Proxied(self.loaded_app, self.trusted_proxies)
