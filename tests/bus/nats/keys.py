"""NKeys and JWTs, as `nsc` would make them."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import Any, Final

from nacl.signing import SigningKey

__all__ = ["NKey"]

KINDS: Final = {"operator": 14, "account": 0, "user": 20}


class NKey:
    """A key pair of an operator, an account or a user."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._key = SigningKey.generate()

    @property
    def public(self) -> str:
        """The public key."""
        return _text(bytes([KINDS[self._kind] << 3]) + bytes(self._key.verify_key))

    @property
    def seed(self) -> str:
        """The private key."""
        prefix = KINDS[self._kind] << 3
        return _text(bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]) + bytes(self._key))

    def issue(self, subject: NKey, **claims: Any) -> str:
        """Return a JWT for another key."""
        body = {
            "iat": int(time.time()),
            "iss": self.public,
            "jti": "x",
            "name": "test",
            "nats": {"type": subject._kind, "version": 2, **claims},
            "sub": subject.public,
        }
        head = {"alg": "ed25519-nkey", "typ": "JWT"}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, body))
        return f"{signed}.{_base64(self._key.sign(signed.encode()).signature)}"


def _text(data: bytes) -> str:
    checked = data + binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(checked).rstrip(b"=").decode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
