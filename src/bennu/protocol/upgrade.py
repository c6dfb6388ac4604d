"""The headers of a WebSocket handshake. Protocol document, §1.2, §1.7 and §1.8.

``websockets.headers`` is not used here. It refuses malformed lists in ``Connection`` and ``Upgrade``, which Phoenix
accepts, and a refusal here has Phoenix's words.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from ..errors import DecodeError

__all__ = ["BEARER", "explain_upgrade", "select_subprotocol", "take_auth_token"]

BEARER: Final = "base64url.bearer.phx."
"""What an auth token among the subprotocols begins with."""

_URL_SAFE: Final = str.maketrans("-_", "+/")


def split_tokens(header: str) -> list[str]:
    """Return the elements of a header that is a list with commas."""
    return [token for part in header.split(",") if (token := part.strip())]


def explain_upgrade(
    *,
    method: str,
    http_version: str,
    host: str,
    connection: str,
    upgrade: str,
    key: str,
    version: str,
) -> str | None:
    """Return what is wrong with a request to upgrade, in one sentence, or None if nothing is."""
    if method != "GET":
        return f"HTTP method must be GET, got {method!r}"
    if http_version != "1.1":
        return f"HTTP version must be 1.1, got {http_version!r}"
    if not host:
        return "'host' header must be present"
    if "upgrade" not in [token.lower() for token in split_tokens(connection)]:
        return f"'connection' header must contain 'upgrade', got {split_tokens(connection)}"
    if "websocket" not in [token.lower() for token in split_tokens(upgrade)]:
        return f"'upgrade' header must contain 'websocket', got {split_tokens(upgrade)}"
    if not key:
        return "'sec-websocket-key' header must be present"
    if version != "13":
        return f"'sec-websocket-version' header must be '13', got {version!r}"
    return None


def take_auth_token(header: str | None) -> tuple[str | None, str | None]:
    """Take the auth token out of a Sec-WebSocket-Protocol header.

    Returns:
        The token, or None if there is not exactly one, and what is left of the header, None if
        nothing is. The alphabet of URLs is accepted too, which Phoenix does not.

    Raises:
        DecodeError: The token is not base64.

    Example:
        >>> take_auth_token("phoenix, base64url.bearer.phx.MTIzNA")
        ('1234', 'phoenix')
    """
    if header is None:
        return None, None
    tokens = split_tokens(header)
    carriers = [token for token in tokens if token.startswith(BEARER)]
    if len(carriers) != 1:
        return None, header
    encoded = carriers[0].removeprefix(BEARER).rstrip("=").translate(_URL_SAFE)
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
    except ValueError as error:
        raise DecodeError("the auth token in Sec-WebSocket-Protocol is not base64") from error
    rest = [token for token in tokens if token is not carriers[0]]
    return decoded, ", ".join(rest) or None


def select_subprotocol(header: str | None, allowed: Sequence[str]) -> tuple[bool, str | None]:
    """Choose a subprotocol.

    Args:
        header: What the client offers, or None.
        allowed: What the server speaks, in order of preference.

    Returns:
        Whether the client may go on, and what to answer.
    """
    if header is None:
        return True, None
    offered = split_tokens(header)
    for subprotocol in allowed:
        if subprotocol in offered:
            return True, subprotocol
    return False, None
