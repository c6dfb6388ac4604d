"""Decides who may see the dashboard, and who may connect to its socket."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from ..api.keys import APIKeys
from ..connect_info import ConnectInfo
from ..exporter.access import is_local
from ..limits.buckets import Buckets
from ..limits.connections import network_of
from ..logs.log import Log
from ..secret_key import Secret, secrets_of
from .options import Dashboard
from .passes import Passes

__all__ = ["COOKIE", "SESSION", "DashboardAccess", "DashboardLock"]

COOKIE: Final = "bennu_dashboard"
"""The name of the cookie of a session."""

SESSION: Final = 12 * 3600.0
"""Seconds after which a browser must send the password again."""

SOCKET: Final = 3600.0
"""Seconds after which a connection is closed, and the page asks for another pass."""


class DashboardAccess(Enum):
    """The decision on a request.

    Attributes:
        status: The HTTP status of the answer.
        text: The text for the page.
    """

    ALLOWED = (200, "")
    NO_SESSION = (401, "The dashboard needs the password")
    WRONG_PASSWORD = (403, "The password is wrong")
    TOO_MANY = (429, "Too many passwords: try again later")
    NOT_LOCAL = (
        403,
        "Only a browser on the same machine gets the dashboard, without Dashboard(password=...)",
    )
    NOT_ALLOWED = (403, "The function of Dashboard(allow=...) refuses this request")

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text


class DashboardLock:
    """The lock of one dashboard.

    Args:
        options: The options of the dashboard.
        secret: The endpoint's secret; None makes a random one, which no other process knows.
        log: Writes the log.
    """

    def __init__(self, options: Dashboard, secret: Secret | None, log: Log) -> None:
        known = [secrets.token_bytes(32)] if secret is None else secrets_of(secret)
        self._options = options
        self._passes = Passes(known, options.password)
        password = options.password
        self._password = None if password is None else APIKeys({password.encode(): "dashboard"})
        self.logins = Buckets(options.logins)
        self.log = log

    @property
    def has_password(self) -> bool:
        """Whether a browser must send a password."""
        return self._password is not None

    async def judge_page(self, scope: Mapping[str, Any]) -> DashboardAccess:
        """Return whether a request gets the files of the page. With a password anyone gets them: the form is in them."""
        options = self._options
        if options.allow is not None:
            return await self._ask(scope)
        if options.is_local and not is_local(scope):
            return DashboardAccess.NOT_LOCAL
        return DashboardAccess.ALLOWED

    async def judge(self, scope: Mapping[str, Any]) -> DashboardAccess:
        """Return whether a request gets a pass for the socket."""
        if self._password is None:
            return await self.judge_page(scope)
        cookie = ConnectInfo(scope, transport="longpoll").cookies.get(COOKIE)
        until = self._passes.until("session", cookie, time.time())
        return DashboardAccess.NO_SESSION if until is None else DashboardAccess.ALLOWED

    async def _ask(self, scope: Mapping[str, Any]) -> DashboardAccess:
        callback = self._options.allow
        assert callback is not None  # noqa: S101 - for the type checkers
        try:
            found = await callback.call_on_loop(ConnectInfo(scope, transport="longpoll"))
        except Exception:
            self.log.exception("Dashboard(allow=...) crashed in %s: no access", callback.name)
            return DashboardAccess.NOT_ALLOWED
        if found is True:
            return DashboardAccess.ALLOWED
        if found is not False:
            self.log.error(
                "Dashboard(allow=...): %s returned %r: expected True or False; no access",
                callback.name,
                found,
            )
        return DashboardAccess.NOT_ALLOWED

    def enter(self, password: str, peer: str | None) -> tuple[DashboardAccess, int]:
        """Compare a password. Return the decision, and the seconds until the next try.

        After too many passwords the right one is refused, too: a password is easier to guess than a key.

        Args:
            password: The password that the request brings.
            peer: The client's address.
        """
        now = time.monotonic()
        wait = self.logins.of(network_of(peer) or "", now).take(now)
        if wait:
            return DashboardAccess.TOO_MANY, math.ceil(wait)
        if (
            self._password is None
            or self._password.name_of(password.encode(errors="replace")) is None
        ):
            return DashboardAccess.WRONG_PASSWORD, 0
        return DashboardAccess.ALLOWED, 0

    def session(self) -> str:
        """Return the value of a cookie."""
        return self._passes.make("session", time.time() + SESSION)

    def socket_pass(self) -> str:
        """Return a pass for the socket."""
        return self._passes.make("socket", time.time() + SOCKET)

    def socket_until(self, text: str | None) -> float | None:
        """Return until when a pass for the socket holds; None if it does not."""
        return self._passes.until("socket", text, time.time())
