"""The options of the dashboard: ``Endpoint(dashboard=Dashboard(...))``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ..connect_info import ConnectInfo
from ..errors import DefinitionError
from ..limits.rate import Rate, rate_of
from ..user_code.callback import Callback
from ..user_code.options import COUNT, TEXT, options

__all__ = ["MIN_PASSWORD", "Allow", "Dashboard"]

Allow = Callable[[ConnectInfo], bool | Awaitable[bool]]
"""Returns whether a request may see the dashboard."""

MIN_PASSWORD: Final = 12
"""Characters of the shortest password."""

MAX_TOPICS: Final = 200

WRITE: Final = 'dashboard=Dashboard(password=os.environ["DASHBOARD_PASSWORD"])'


@options(path=TEXT, topics=COUNT)
class Dashboard:
    """A page that shows what the nodes of an endpoint do.

    Without a password and without ``allow`` only programs on the same machine get it, and only in development (``debug``):
    requests from a loopback address, for a loopback name, that no proxy has forwarded.

    Args:
        path: The path of the page, relative to the endpoint's mount. Default: ``"/dashboard"``.
        password: The password: at least 12 characters. Default: None.
        allow: ``def allow(info)``: returns whether a request may see the dashboard, from its headers and cookies. It can be
            async. It is called on the event loop. Default: None.
        topics: How many topics the page shows, at most 200. Default: 50.
        logins: How often one address can send a password. Above it every password is refused with 429, also the right one.
            Default: ``"10/minute"``.

    Raises:
        DefinitionError: An option has a wrong value, or both a password and ``allow`` are given.

    Example:
        >>> Dashboard(password="correct horse battery").path
        '/dashboard'
    """

    def __init__(
        self,
        path: str = "/dashboard",
        *,
        password: str | None = None,
        allow: Allow | None = None,
        topics: int = 50,
        logins: Rate | str = "10/minute",
    ) -> None:
        if not path.startswith("/") or path.endswith("/") or "{" in path:
            raise DefinitionError(
                "Dashboard(path)",
                expected="a path that begins with / and does not end with one, without variables",
                got=repr(path),
                write='Dashboard("/dashboard")',
            )
        if password is not None and (not isinstance(password, str) or len(password) < MIN_PASSWORD):
            raise DefinitionError(
                "Dashboard(password=...)",
                expected=f"a password of at least {MIN_PASSWORD} characters",
                got="no such password",  # the error does not show it
                write=WRITE,
            )
        if password is not None and allow is not None:
            raise DefinitionError(
                "Dashboard(...)",
                expected="a password, or a function that allows requests",
                got="both",
                write=WRITE,
            )
        if topics > MAX_TOPICS:
            raise DefinitionError(
                "Dashboard(topics=...)",
                expected=f"at most {MAX_TOPICS} topics, since each open page gets them once a second",
                got=repr(topics),
                write="Dashboard(topics=50)",
            )
        self.path = path
        self.password = password
        self.allow = Callback.optional("Dashboard(allow=...)", allow, write="allow=is_admin")
        self.topics = topics
        self.logins = rate_of(logins, subject="Dashboard(logins=...)")

    @property
    def is_local(self) -> bool:
        """Whether only programs on the same machine get the page."""
        return self.password is None and self.allow is None

    def expect_lock(self, *, debug: bool) -> None:
        """Refuse a dashboard without a lock in production.

        Args:
            debug: Whether this is development.

        Raises:
            DefinitionError: It has no lock.
        """
        if self.is_local and not debug:
            raise DefinitionError(
                "Endpoint(dashboard=Dashboard())",
                expected="a password or allow= in production, since the page shows what clients send",
                got="neither. None is needed in development: `bennu run --reload`, Endpoint(debug=True), or BENNU_DEBUG=1 for tests",
                write=WRITE,
            )
