"""Keys of each algorithm, JSON Web Tokens signed with them, and a connect that verifies the tokens."""

from __future__ import annotations

import time
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bennu.auth.jwt import JWTConnect

__all__ = [
    "EC",
    "ED",
    "OTHER_RSA",
    "PRIVATE",
    "PUBLIC",
    "RSA",
    "SECRET",
    "WEAK_RSA",
    "connector",
    "make",
    "pem",
]

SECRET = "a secret of at least 32 bytes, as one should have"

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
WEAK_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the weak key that is refused
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

PRIVATE: dict[str, Any] = {"RS256": RSA, "PS256": RSA, "ES256": EC, "EdDSA": ED, "HS256": SECRET}


def pem(key: Any) -> str:
    """Return the public key of a private key, as text."""
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


PUBLIC: dict[str, Any] = {name: pem(key) for name, key in PRIVATE.items() if name != "HS256"}
PUBLIC["HS256"] = SECRET


def make(algorithm: str = "RS256", key: Any = None, kid: str | None = None, **claims: Any) -> str:
    """Return a token of the user ann, which is valid for a minute."""
    claims = {"sub": "ann", "exp": time.time() + 60, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = None if kid is None else {"kid": kid}
    return pyjwt.encode(claims, key or PRIVATE[algorithm], algorithm, headers=headers)


def connector(*algorithms: str, **options: Any) -> JWTConnect[str]:
    """Return a connect whose users are the subjects of their tokens."""
    algorithms = algorithms or ("RS256",)
    if not options.keys() & {"key", "jwks_url"}:
        options["key"] = [PUBLIC[name] for name in algorithms]
    options = {"algorithms": algorithms, "user": lambda claims, info: claims["sub"], **options}
    return JWTConnect(**options)
