"""The tokens of polling sessions: a client brings one to each request. Protocol document, §4.2.

    <base64 of [topic, mount, node, expiry]>.<base64 of HMAC-SHA256 of all before the dot>

The topic is the name of the session. The mount is the path of its socket. The node has the session. The expiry is in
seconds since 1970.
"""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple

import msgspec

from ...secret_key import Secret, secrets_of

__all__ = ["SessionName", "SessionTokens"]

PURPOSE: Final = b"bennu long poll"
"""A part of each key, so that a token that the same secret signs for another purpose is invalid here."""


class SessionName(NamedTuple):
    """The content of a token: a session's name, the mount of its socket, and the name of its node."""

    topic: str
    mount: str
    node: str


class SessionTokens:
    """Makes and reads the tokens of an endpoint.

    Args:
        secret: The secret that signs the tokens. Of several secrets, the first signs, and each is accepted. None makes
            a random secret, which no other process knows.
    """

    def __init__(self, secret: Secret | None = None) -> None:
        known = [secrets.token_bytes(32)] if secret is None else secrets_of(secret)
        self._keys = [hmac.digest(one, PURPOSE, "sha256") for one in known]
        self._payload = msgspec.json.Decoder(tuple[str, str, str, float | None])

    def make(self, name: SessionName, max_age: float) -> str:
        """Return the token of a session.

        Args:
            name: The session.
            max_age: Seconds after which the token is no longer accepted; ``math.inf`` means never.
        """
        # JSON has no infinity: msgspec writes null for it.
        payload = msgspec.json.encode((*name, time.time() + max_age))
        text = _base64(payload)
        return f"{text}.{_signature(self._keys[0], text)}"

    def read(self, token: str | None) -> SessionName | None:
        """Return the session that a token names; None for a token that is missing, forged or expired.

        Args:
            token: The text that the client sent.
        """
        if token is None or not token.isascii():
            return None
        text, _, signature = token.partition(".")
        if not any(hmac.compare_digest(_signature(key, text), signature) for key in self._keys):
            return None
        *name, expiry = self._payload.decode(urlsafe_b64decode(text + "=="))
        if expiry is not None and time.time() > expiry:
            return None
        return SessionName(*name)


def _signature(key: bytes, text: str) -> str:
    return _base64(hmac.digest(key, text.encode(), "sha256"))


def _base64(data: bytes) -> str:
    """Return URL-safe base64 without padding, since some clients do not escape values in a query."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
