"""The session cookie of a Phoenix application."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bennu.phoenix import PlugSession, encrypted, etf, signed

from ..support.cookies import info

SECRET = "abcdefgh" * 8
OLD_SECRET = "hgfedcba" * 8


def key_for(salt: str, secret: str = SECRET) -> bytes:
    return signed.derive_key(secret.encode(), salt.encode())


def plug_cookie(session: Any, *, secret: str = SECRET) -> str:
    """Return the cookie that Plug.Session writes: a signed term."""
    return signed.sign(etf.encode(session), key_for("signing", secret))


def encrypted_plug_cookie(session: Any, *, secret: str = SECRET) -> str:
    """Return the cookie that Plug.Session writes with an encryption_salt."""
    return encrypted.encrypt(etf.encode(session), key_for("encryption", secret), b"n" * 24)


PLUG = PlugSession(SECRET, key="_app_key", signing_salt="signing")
SEALED = PlugSession(SECRET, key="_app_key", signing_salt="signing", encryption_salt="encryption")


def test_a_session_of_phoenix_is_read() -> None:
    """Erlang's binaries become text. nil and lists become None and lists."""
    session = {"user_id": 7, "live_socket_id": "users_sessions:x", "flash": {}, "none": None}
    assert PLUG(info({"_app_key": plug_cookie(session)})) == session
    assert SEALED(info({"_app_key": encrypted_plug_cookie(session)})) == session


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "junk",
        plug_cookie({"a": 1})[:-1],
        plug_cookie({"a": 1}, secret=OLD_SECRET),
        encrypted_plug_cookie({"a": 1}),
        plug_cookie([1, 2]),
        signed.sign(b"no term", key_for("signing")),
    ],
    ids=["empty", "junk", "cut", "another secret", "another kind", "a list", "no term"],
)
def test_a_cookie_that_is_not_phoenixs_is_no_session(cookie: str) -> None:
    """A missing cookie is no session either."""
    assert PLUG(info({"_app_key": cookie})) is None
    assert SEALED(info({"_app_key": "junk" + cookie})) is None
    assert PLUG(info()) is None


def test_the_secret_of_phoenix_may_be_rotated() -> None:
    """All secrets are tried."""
    both: dict[str, Any] = {"key": "k", "signing_salt": "signing"}
    for secret in (SECRET, OLD_SECRET):
        reader = PlugSession([SECRET, OLD_SECRET], **both)
        assert reader(info({"k": plug_cookie({"a": 1}, secret=secret)})) == {"a": 1}
        sealed = PlugSession([SECRET, OLD_SECRET], **both, encryption_salt="encryption")
        assert sealed(info({"k": encrypted_plug_cookie({"a": 1}, secret=secret)})) == {"a": 1}


def test_an_old_encrypted_session_is_read_with_its_signing_key() -> None:
    """Plug.Crypto before 2.0 wrapped the key with both keys."""
    key, sign_key = key_for("encryption"), key_for("signing")
    content_key, iv = b"c" * 16, b"i" * 12
    wrapped = AESGCM(key).encrypt(iv, content_key, sign_key) + iv
    sealed = AESGCM(content_key).encrypt(iv, etf.encode({"a": 1}), b"A128GCM")
    parts = [b"A128GCM", wrapped, iv, sealed[:-16], sealed[-16:]]
    cookie = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts).decode()
    assert SEALED(info({"_app_key": cookie})) == {"a": 1}
