"""The visitor's session: what ``Socket(session=...)`` reads for ``info.session``.

A reader is a function of the info that returns a mapping or None. Ready-made readers are
:class:`~bennu.auth.session.StarletteSession`, :class:`~bennu.auth.session.ScopeSession`,
:class:`~bennu.auth.django.DjangoSession` and :class:`~bennu.phoenix.session.PlugSession`.

A browser sends its cookies with every request, whichever site causes the request. So ``connect`` gets a session
only if the client also sends a token that only your own pages know (:mod:`bennu.csrf`). A reader whose framework has
tokens of its own checks them itself: with a method ``is_csrf_valid(info, session, token)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from . import csrf
from .connect_info import ConnectInfo
from .errors import CallbackError, DefinitionError
from .logs.printable import described
from .user_code.callback import Callback

__all__ = ["Session", "SessionLoader", "SessionReader"]

Session = Mapping[str, Any]
SessionReader = (
    Callable[[ConnectInfo], Awaitable[Session | None]] | Callable[[ConnectInfo], Session | None]
)
TokenCheck = Callable[[ConnectInfo, Session, object], bool]


class SessionLoader:
    """Fills ``info.session`` of a socket.

    Args:
        reader: Reads the session of a request. If it has a method ``is_csrf_valid``, this checks the token.
        check_csrf: Whether the client must send a token.
        csrf_token_key: The key of the token's state in the session.

    Raises:
        DefinitionError: The reader is not a function of an info.
    """

    def __init__(self, reader: SessionReader, *, check_csrf: bool, csrf_token_key: str) -> None:
        self._check_csrf = check_csrf
        self._key = csrf_token_key
        try:
            inspect.signature(reader).bind("info")
        except (TypeError, ValueError) as error:
            raise DefinitionError(
                "Socket(session=...)",
                expected="a function of the info that returns a mapping or None",
                got=f"{reader!r} ({error})",
                write="session=StarletteSession(SECRET_KEY), from bennu.auth.session",
            ) from error
        self._reader = Callback("Socket(session=...)", reader)
        self._is_csrf_valid: TokenCheck = getattr(reader, "is_csrf_valid", self._fits_the_state)

    async def load(self, params: Mapping[str, Any], info: ConnectInfo) -> Session | None:
        """Return the session of a request, or None without a session, or without a valid token.

        Args:
            params: The parameters of the request. The token is ``_csrf_token``.
            info: The request.

        Raises:
            CallbackError: The reader returned neither a mapping nor None.
            Exception: The reader raised it.
        """
        session: Any = await self._reader.call_on_loop(info)
        if session is not None and not isinstance(session, Mapping):
            raise CallbackError(
                f"Socket(session=...): {self._reader.name} returned {described(session)}: expected a mapping"
                " or None"
            )
        found = cast("Session | None", session)
        if found is None or not self._check_csrf:
            return found
        return found if self._is_csrf_valid(info, found, params.get(csrf.KEY)) else None

    def _fits_the_state(self, info: ConnectInfo, session: Session, token: object) -> bool:
        return csrf.is_valid(session, token, self._key)
