"""Says to a server who this client is: a user and a password, a token, an NKey, or a JWT with its NKey.

An NKey is an Ed25519 key. The client proves that it has the key by a signature of the server's nonce. The key never leaves
the client. A file of credentials holds a JWT, and the seed of the key that the JWT names. The files are read at each
connect, so that a rotated file needs no restart.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import re
from pathlib import Path
from typing import Any, Final

from ...errors import DefinitionError
from .address import NATSAddress

__all__ = ["login"]

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z ]+)-----\s*(\S+)\s*-+END [A-Z ]+-+")


def login(address: NATSAddress, nonce: str | None) -> dict[str, str]:
    """Return the fields of CONNECT that say who this client is.

    Args:
        address: The address.
        nonce: What the server wants to be signed; None if it asked for no signature.

    Raises:
        DefinitionError: A file holds no credentials, or a package is missing.
    """
    if address.token is not None:
        return {"auth_token": address.token}
    if address.user is not None and address.password is not None:
        return {"user": address.user, "pass": address.password}
    if "creds" in address.files:
        blocks = dict(_BLOCK.findall(_read(address.files["creds"])))
        if not blocks.keys() >= {"NATS USER JWT", "USER NKEY SEED"}:
            raise _no_credentials(address.files["creds"], "a JWT and a seed, as `nsc` writes them")
        _, signature = _sign(address.files["creds"], blocks["USER NKEY SEED"], nonce)
        return {"jwt": blocks["NATS USER JWT"], "sig": signature}
    if "nkey" in address.files:
        public, signature = _sign(
            address.files["nkey"], _read(address.files["nkey"]).strip(), nonce
        )
        return {"nkey": public, "sig": signature}
    return {}


def _sign(path: str, seed: str, nonce: str | None) -> tuple[str, str]:
    """Return the public NKey, and the signature of the nonce."""
    try:
        bindings: Any = importlib.import_module("nacl.bindings")
    except ModuleNotFoundError as error:
        raise DefinitionError(
            "the credentials for NATS",
            expected="the packages of bennu[nats], which sign with an NKey",
            got=f"no module {error.name!r}",
            write='pip install "bennu[nats]"',
        ) from error
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except binascii.Error:
        raw = b""
    # Two bytes say that it is a seed (18 in the first 5 bits) and of whom (20: a user, in the next 8). The key has 32
    # bytes. A checksum has 2.
    valid = len(raw) == 36 and binascii.crc_hqx(raw[:34], 0).to_bytes(2, "little") == raw[34:]
    if not valid or raw[0] >> 3 != 18 or (raw[0] & 7) << 5 | raw[1] >> 3 != 20 << 3:
        raise _no_credentials(path, "the seed of a user, which begins with SU")
    key: tuple[bytes, bytes] = bindings.crypto_sign_seed_keypair(raw[2:34])
    public = bytes([20 << 3]) + key[0]
    checked = public + binascii.crc_hqx(public, 0).to_bytes(2, "little")
    signed: bytes = bindings.crypto_sign((nonce or "").encode(), key[1])
    return (
        base64.b32encode(checked).rstrip(b"=").decode(),
        base64.urlsafe_b64encode(signed[:64]).rstrip(b"=").decode(),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _no_credentials(path, "a file that this process can read", str(error)) from error


def _no_credentials(path: str, expected: str, got: str = "something else") -> DefinitionError:
    return DefinitionError(
        f"the credentials for NATS in {path}",
        expected=expected,
        got=got,
        write='pubsub="nats://one:4222?creds=/run/secrets/chat.creds"',
    )
