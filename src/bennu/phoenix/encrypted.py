"""Encrypted tokens (protocol, §8.4).

    XCP.<nonce, tag, ciphertext>                                XChaCha20-Poly1305
    QTEyOEdDTQ.<wrapped key>.<iv>.<ciphertext>.<tag>            AES-GCM, of Plug.Crypto before 2.0: read only

The packages of the ciphers are optional. The first token that needs a package imports it.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Final

from ..errors import TokenInvalid
from .signed import from_base64, split, to_base64

__all__ = ["AAD", "KEY_SIZE", "NONCE_SIZE", "decrypt", "encrypt"]

AAD: Final = b"A128GCM"
"""The additional authenticated data (AAD) of Phoenix, the same with each cipher."""

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 24
_TAG_SIZE: Final = 16

# Sizes of legacy tokens.
_IV_SIZE: Final = 12
_AES_KEY_SIZES: Final = frozenset((16, 24, 32))

_ENCRYPTED: Final = b"XCP"
_LEGACY: Final = b"QTEyOEdDTQ"


def encrypt(payload: bytes, key: bytes, nonce: bytes, aad: bytes = AAD) -> str:
    """Return the encrypted token of a payload.

    Args:
        payload: The content.
        key: 32 bytes.
        nonce: 24 bytes that were never used with this key before.
        aad: The additional authenticated data.

    Raises:
        ImportError: PyNaCl is missing.
    """
    sealed = _xchacha().crypto_aead_xchacha20poly1305_ietf_encrypt(payload, aad, nonce, key)
    ciphertext, tag = sealed[:-_TAG_SIZE], sealed[-_TAG_SIZE:]
    return (_ENCRYPTED + b"." + to_base64(nonce + tag + ciphertext)).decode("ascii")


def decrypt(
    token: str | bytes, keys: Iterable[bytes], aad: bytes = AAD, *, sign_key: bytes = b""
) -> bytes:
    """Return the payload of a token that was encrypted with one of these keys.

    Args:
        token: The token.
        keys: Keys of 32 bytes. Keys of 16 and 24 bytes open legacy tokens only.
        aad: The additional authenticated data that was used in the encryption.
        sign_key: The second key of a legacy token. Tokens of Phoenix.Token have none.

    Raises:
        TokenInvalid: No key opens the token.
        ImportError: PyNaCl is missing.
    """
    _xchacha()  # a missing package is found with the first token, valid or not
    head, *rest = split(token)
    sealed = [from_base64(part) for part in rest]
    for key in keys:
        if head == _ENCRYPTED:
            payload = _open(sealed, key, aad)
        elif head == _LEGACY:
            payload = _open_legacy(sealed, key, aad, sign_key)
        else:
            raise TokenInvalid("this is no encrypted token")
        if payload is not None:
            return payload
    raise TokenInvalid("the token was encrypted with another secret or salt, or was changed")


def _xchacha() -> ModuleType:
    try:
        from nacl import bindings
    except ImportError as error:
        raise ImportError("encrypted tokens need PyNaCl: pip install 'bennu[crypto]'") from error
    return bindings


def _open(sealed: list[bytes], key: bytes, aad: bytes) -> bytes | None:
    from nacl.exceptions import CryptoError

    if len(sealed) != 1 or len(sealed[0]) < NONCE_SIZE + _TAG_SIZE or len(key) != KEY_SIZE:
        return None
    nonce, rest = sealed[0][:NONCE_SIZE], sealed[0][NONCE_SIZE:]
    tag, ciphertext = rest[:_TAG_SIZE], rest[_TAG_SIZE:]
    try:
        payload: bytes = _xchacha().crypto_aead_xchacha20poly1305_ietf_decrypt(
            ciphertext + tag, aad, nonce, key
        )
    except CryptoError:
        return None
    return payload


def _open_legacy(sealed: list[bytes], key: bytes, aad: bytes, sign_key: bytes) -> bytes | None:
    """Open a token of Plug.Crypto before 2.0: AES-GCM, with a key that is wrapped in AES-GCM."""
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        # This is no ImportError, because a client chooses the kind of its token.
        raise TokenInvalid("a token of Plug.Crypto before 2.0 needs cryptography") from error

    if len(sealed) != 4:
        return None
    wrapped, iv, ciphertext, tag = sealed
    sizes = len(iv), len(tag), len(wrapped) - _TAG_SIZE - _IV_SIZE, len(key)
    if sizes[:2] != (_IV_SIZE, _TAG_SIZE) or not set(sizes[2:]) <= _AES_KEY_SIZES:
        return None
    try:
        content_key = AESGCM(key).decrypt(wrapped[-_IV_SIZE:], wrapped[:-_IV_SIZE], sign_key)
        return AESGCM(content_key).decrypt(iv, ciphertext + tag, aad)
    except InvalidTag:
        return None
