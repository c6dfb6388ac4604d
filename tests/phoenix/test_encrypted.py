"""Encrypted tokens (protocol, §8.4)."""

from __future__ import annotations

import sys
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given, strategies as st

from bennu.errors import TokenInvalid
from bennu.phoenix.encrypted import KEY_SIZE, NONCE_SIZE, decrypt, encrypt
from bennu.phoenix.signed import to_base64

from ..support.properties import property_test

RIGHT = b"abcdefgh" * 4
WRONG = b"12345678" * 4
NONCE = bytes(range(NONCE_SIZE))
DATA = b"\0" + "hełłoworld".encode() + b"\0"

OLD = (
    "QTEyOEdDTQ.L85cCXPvSqswNJoxmP5QTopFY83qCPj9czxkwct8b0HDHdC8Qwruhkq3SWw"
    ".mmqfbc2dfaMMi6Xi.n1qvYhAUYI0r7-QB6Vw.0jV2tT3U-AQMAQSch2rNsw"
)
"""Of Plug.Crypto 1.2, from its test suite: DATA under RIGHT, signed with RIGHT."""


def test_the_cipher_is_that_of_the_draft() -> None:
    """The vector is from draft-irtf-cfrg-xchacha, A.3.1. A token has the tag before the ciphertext."""
    plaintext = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it."
    )
    aad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    key, nonce = bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58))
    ciphertext = bytes.fromhex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52e"
    )
    tag = bytes.fromhex("c0875924c1c7987947deafd8780acf49")

    token = encrypt(plaintext, key, nonce, aad)
    assert token == f"XCP.{to_base64(nonce + tag + ciphertext).decode()}"
    assert decrypt(token, [key], aad) == plaintext


@pytest.mark.conformance("TK031")
def test_what_was_encrypted_is_decrypted() -> None:
    """The key and the additional data must be the same. Any bytes can be encrypted."""
    token = encrypt(DATA, RIGHT, NONCE, b"right aad")

    assert decrypt(token, [RIGHT], b"right aad") == DATA
    assert decrypt(token.encode(), [RIGHT], b"right aad") == DATA
    for key, aad in ((WRONG, b"right aad"), (RIGHT, b"wrong aad"), (RIGHT, b"")):
        with pytest.raises(TokenInvalid, match="another secret or salt, or was changed"):
            decrypt(token, [key], aad)


def test_one_of_several_keys_is_enough_to_decrypt() -> None:
    """It can be at any place. Keys of other sizes are ignored."""
    token = encrypt(DATA, RIGHT, NONCE)

    assert decrypt(token, [WRONG, b"short", RIGHT]) == DATA
    for keys in ([], [WRONG, b"short"]):
        with pytest.raises(TokenInvalid):
            decrypt(token, keys)


def test_another_nonce_makes_another_token() -> None:
    """The data is the same."""
    assert encrypt(DATA, RIGHT, NONCE) == encrypt(DATA, RIGHT, NONCE)
    assert encrypt(DATA, RIGHT, NONCE) != encrypt(DATA, RIGHT, NONCE[::-1])
    assert (KEY_SIZE, NONCE_SIZE) == (32, 24)


@pytest.mark.parametrize("is_old", [False, True])
def test_no_character_of_an_encrypted_token_can_be_changed(is_old: bool) -> None:
    """A missing or doubled character is invalid too."""
    token = OLD if is_old else encrypt(DATA, RIGHT, NONCE, b"right aad")
    assert decrypt(token, [RIGHT], b"right aad", sign_key=RIGHT) == DATA

    for position, character in enumerate(token):
        before, after = token[:position], token[position + 1 :]
        for other in {"", character * 2, *"ABCDwxyz0189-_.= é"} - {character}:
            with pytest.raises(TokenInvalid):
                decrypt(before + other + after, [RIGHT], b"right aad", sign_key=RIGHT)


@pytest.mark.conformance("TK032")
def test_tokens_of_old_releases_are_decrypted() -> None:
    """The keys and the additional data must be the same."""
    assert decrypt(OLD, [RIGHT], b"right aad", sign_key=RIGHT) == DATA
    assert decrypt(OLD, [WRONG, RIGHT], b"right aad", sign_key=RIGHT) == DATA
    for aad, key, sign_key in (
        (b"wrong aad", RIGHT, RIGHT),
        (b"right aad", WRONG, RIGHT),
        (b"right aad", RIGHT, WRONG),
        (b"right aad", WRONG, WRONG),
        (b"right aad", RIGHT, b""),
    ):
        with pytest.raises(TokenInvalid, match="another secret or salt, or was changed"):
            decrypt(OLD, [key], aad, sign_key=sign_key)


def _with(index: int, change: int) -> str:
    """Return the old token with one part shorter or longer."""
    parts = OLD.split(".")
    data = urlsafe_b64decode(parts[index] + "=" * (-len(parts[index]) % 4))
    parts[index] = to_base64(data[:change] if change < 0 else data + bytes(change)).decode()
    return ".".join(parts)


@pytest.mark.parametrize(
    "token",
    [
        "QTEyOEdDTQ",
        "QTEyOEdDTQ.aaaa.aaaa.aaaa",
        f"{OLD}.aaaa",
        *(_with(index, change) for index in (1, 2, 3, 4) for change in (-1, 1, 8)),
        "QTEyOEdDTQ....",
    ],
)
def test_an_old_token_with_parts_of_other_sizes_is_refused(token: str) -> None:
    """AES could accept some of these keys."""
    with pytest.raises(TokenInvalid, match="another secret or salt, or was changed"):
        decrypt(token, [RIGHT, b"short"], b"right aad", sign_key=RIGHT)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("", "no encrypted token"),
        ("garbage", "no encrypted token"),
        ("XCQ.aaaa", "no encrypted token"),
        ("SFMyNTY.aaaa.aaaa", "no encrypted token"),
        ("XCP", "another secret"),
        ("XCP.", "another secret"),
        ("XCP.aaaa.aaaa", "another secret"),
        ("XCP." + "a" * 52, "another secret"),
        ("XCP.é", "no token"),
        ("XCP.a+aa", "not base64"),
    ],
)
def test_what_is_no_encrypted_token_is_refused(token: str, text: str) -> None:
    """A token has at least a nonce and a tag."""
    with pytest.raises(TokenInvalid, match=text):
        decrypt(token, [RIGHT])


@property_test
@given(
    st.binary(max_size=100),
    st.binary(min_size=KEY_SIZE, max_size=KEY_SIZE),
    st.binary(min_size=NONCE_SIZE, max_size=NONCE_SIZE),
    st.binary(max_size=20),
)
def test_every_payload_is_decrypted(payload: bytes, key: bytes, nonce: bytes, aad: bytes) -> None:
    """This holds for every key, nonce and additional data."""
    assert decrypt(encrypt(payload, key, nonce, aad), [key], aad) == payload


@property_test
@given(
    st.text(max_size=40)
    | st.lists(st.binary(max_size=80).map(lambda data: to_base64(data).decode()), max_size=4).map(
        lambda parts: ".".join(["XCP", *parts])
    )
    | st.lists(st.binary(max_size=60).map(lambda data: to_base64(data).decode()), max_size=5).map(
        lambda parts: ".".join(["QTEyOEdDTQ", *parts])
    )
)
def test_no_text_raises_anything_but_invalid(token: str) -> None:
    """A client can send any text."""
    with pytest.raises(TokenInvalid):
        decrypt(token, [RIGHT, b"short"])


# The packages that know the ciphers are optional.


def test_without_pynacl_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes with the first token, valid or not."""
    token = encrypt(DATA, RIGHT, NONCE)
    monkeypatch.setitem(sys.modules, "nacl", None)

    with pytest.raises(ImportError, match=r"need PyNaCl: pip install 'bennu\[crypto\]'"):
        encrypt(DATA, RIGHT, NONCE)
    for given_token in (token, "garbage", OLD):
        with pytest.raises(ImportError, match=r"need PyNaCl: pip install 'bennu\[crypto\]'"):
            decrypt(given_token, [RIGHT])


def test_without_cryptography_an_old_token_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client chooses the kind of its token, and must not make the server fail."""
    token = encrypt(DATA, RIGHT, NONCE)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)

    with pytest.raises(TokenInvalid, match="needs cryptography"):
        decrypt(OLD, [RIGHT], b"right aad", sign_key=RIGHT)
    assert decrypt(token, [RIGHT]) == DATA
