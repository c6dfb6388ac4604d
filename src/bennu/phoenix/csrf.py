"""Tokens by which a page shows that it is ours; they are those of Plug.CSRFProtection.

Put one into the page, ``new Socket("/socket", {params: {_csrf_token: "..."}})``, and the socket's
``info.session`` is that of the page's visitor. Another site can make a visitor's browser connect, with
all of its cookies, but it can't read our pages.

    token = csrf.token_for(request.session)
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from .csrf_codec import STATE_BYTES, is_state, make_state, mask, matches

__all__ = ["KEY", "is_valid", "token_for"]

KEY: Final = "_csrf_token"
"""Under which a session holds the state, and a client sends the token."""


def token_for(session: MutableMapping[str, Any], key: str = KEY) -> str:
    """Return a token for a page; what it is checked against enters the session, if it is not there.

    Args:
        session: The visitor's, which the web framework keeps: ``request.session``.
        key: Of the state in it.

    Example:
        >>> session = {}
        >>> is_valid(session, token_for(session))
        True
    """
    state = session.get(key)
    if not is_state(state):
        state = session[key] = _random_state()
    return mask(state, _random_state())


def is_valid(session: Mapping[str, Any], token: object, key: str = KEY) -> bool:
    """Return whether a token was made for a session.

    Args:
        session: The visitor's.
        token: What the client sent, whatever it is.
        key: Of the state in the session.
    """
    return matches(session.get(key), token)


def _random_state() -> str:
    return make_state(secrets.token_bytes(STATE_BYTES))
