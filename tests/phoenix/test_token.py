"""Tokens that Phoenix and Bennu make and read (protocol, §8)."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, strategies as st

import bennu
from bennu.errors import EncodeError
from bennu.phoenix import encrypted, signed, token
from bennu.phoenix.token import Atom, TokenError, TokenExpired, TokenInvalid, TokenMissing

from ..support.properties import json_values, property_test

SECRET = "abcdefgh" * 8
SALT = "user socket"
SIGNED_AT = 1_700_000_000
DAY = 86_400

BOTH = pytest.mark.parametrize(
    ("make", "read"),
    [
        pytest.param(token.sign, token.verify, id="signed"),
        pytest.param(token.encrypt, token.decrypt, id="encrypted"),
    ],
)

Make = Callable[..., str]
Read = Callable[..., Any]


def test_the_module_is_a_name_of_the_package() -> None:
    """The package exports the module, and not its functions."""
    from bennu.phoenix import token as imported

    assert imported.sign is token.sign
    assert not {"token", *token.__all__} & set(bennu.__all__)


# What Phoenix 1.8 on OTP 25 made.

VECTORS = [
    (1, DAY, "g2gDYQFuBgAAaOXPiwFiAAFRgA.pVQyJhbbKrMTF7SPAEhhkeN36zPMMdTQxpZfdHyYVQA"),
    (300, DAY, "g2gDYgAAASxuBgAAaOXPiwFiAAFRgA.tu8rbkLigVCX__GSqpbcXxO40uVmbzUzeK1bSTqFPwQ"),
    (-1, DAY, "g2gDYv____9uBgAAaOXPiwFiAAFRgA.I0DhgRS7_-dB9fdJ_6d-xDYTjODC_Fyci3aLECxrevU"),
    (
        5_000_000_000,
        DAY,
        "g2gDbgUAAPIFKgFuBgAAaOXPiwFiAAFRgA.7vltYNL6et37f4sL8jaXMb6DohDnqseuV7TCRgewic4",
    ),
    (
        "user-1",
        DAY,
        "g2gDbQAAAAZ1c2VyLTFuBgAAaOXPiwFiAAFRgA.LCx-JsbZoJLd3_u1GkkmxMRphLm3IytMKQIIzqu5bzE",
    ),
    (1.5, DAY, "g2gDRj_4AAAAAAAAbgYAAGjlz4sBYgABUYA.OX2qvLwvJ_YyD8xW4zxbErwFSKkwOO7xg_CJgmzFwcA"),
    (
        [1, 2, 3],
        DAY,
        "g2gDawADAQIDbgYAAGjlz4sBYgABUYA.YmZJJArKB12q0deZ-7oQhamy8cPOOA0_Bmb6MsLuotA",
    ),
    (
        [1, "a"],
        DAY,
        "g2gDbAAAAAJhAW0AAAABYWpuBgAAaOXPiwFiAAFRgA.2mNXv7ZG9bZ_IWfXBst73_i5z_pbUQQBEYg9ey1US7Y",
    ),
    (
        {"id": 7},
        DAY,
        "g2gDdAAAAAFtAAAAAmlkYQduBgAAaOXPiwFiAAFRgA.DlqL57WT1TeTG5HfwhqxNc5_lEoFHKVIMGbpjGSVxgU",
    ),
    (1, 0.5, "g2gDYQFuBgAAaOXPiwFGP-AAAAAAAAA.qO_2SYnXwcDxmsYjI_LC6GUZ6T1h8C7iGKDECEsPbY4"),
]

ATOM_VECTORS = [
    (
        None,
        DAY,
        "g2gDZAADbmlsbgYAAGjlz4sBYgABUYA.bPPt0_7q0HS6wIEuj1XdUHiFcy0wixmJdzlJL-fv3jc",
        "8368037703 6e696c 6e06000068e5cf8b01 6200015180",
    ),
    (
        1,
        math.inf,
        "g2gDYQFuBgAAaOXPiwFkAAhpbmZpbml0eQ.sLOpeYIY3rop2Jc_mu3AcGOAjc_bAmVn-hh_km4P9rw",
        "836803 6101 6e06000068e5cf8b01 7708 696e66696e697479",
    ),
]
"""OTP 25 writes atoms otherwise than OTP 26 and we do, so these are only read."""

ENCRYPTED = (
    "XCP.MAGrgij0EtIVHAeRRblE5YB_ATQkL0VUdWBRDP_wGNebXdZdHbcbRIpoK3CGATITx7xP42EHzZ_TSRRmz504BP8"
)
"""1, for ever."""


@pytest.mark.parametrize(("data", "max_age", "vector"), VECTORS)
def test_a_token_is_the_one_that_phoenix_makes(data: Any, max_age: float, vector: str) -> None:
    """The characters are equal, and each side reads the other's token."""
    expected = f"SFMyNTY.{vector}"

    assert token.sign(SECRET, SALT, data, signed_at=SIGNED_AT, max_age=max_age) == expected
    got = token.verify(SECRET, SALT, expected, now=SIGNED_AT)
    assert (got, type(got)) == (data, type(data))


@pytest.mark.parametrize(("data", "max_age", "vector", "payload"), ATOM_VECTORS)
def test_a_token_with_atoms_is_the_one_of_a_newer_erlang(
    data: Any, max_age: float, vector: str, payload: str
) -> None:
    """A token of an older Erlang is read too."""
    ours = token.sign(SECRET, SALT, data, signed_at=SIGNED_AT, max_age=max_age)

    key = signed.derive_key(SECRET.encode(), SALT.encode())
    assert signed.verify(ours, [key]) == bytes.fromhex(payload)
    for one in (ours, f"SFMyNTY.{vector}"):
        assert token.verify(SECRET, SALT, one, now=SIGNED_AT) == data


def test_an_encrypted_token_of_phoenix_is_read_and_made() -> None:
    """The same data with the same nonce makes the same token. Each new token has a random nonce."""
    key = signed.derive_key(SECRET.encode(), SALT.encode())
    payload = encrypted.decrypt(ENCRYPTED, [key])
    nonce = urlsafe_b64decode(ENCRYPTED.removeprefix("XCP.") + "=")[: encrypted.NONCE_SIZE]

    assert key.hex() == "d3f12b5b79f2122342c5c52cb5d451bb588e5c5af0a7c73cf6a90cc45b397d80"
    assert payload.hex() == "83680361016e06000068e5cf8b01640008696e66696e697479"
    assert encrypted.encrypt(payload, key, nonce) == ENCRYPTED
    assert token.decrypt(SECRET, SALT, ENCRYPTED) == 1
    assert len({token.encrypt(SECRET, SALT, 1, signed_at=SIGNED_AT) for _ in range(10)}) == 10


# Round trips.


@pytest.mark.conformance("TK001", "TK016")
@BOTH
def test_what_was_put_into_a_token_comes_out(make: Make, read: Read) -> None:
    """Secret, salt and token can be text or bytes. The time is the clock's."""
    text = make(SECRET, SALT, 1)

    assert read(SECRET, SALT, text) == 1
    assert read(SECRET.encode(), SALT.encode(), text.encode()) == 1
    assert read(SECRET, SALT, make(SECRET.encode(), SALT.encode(), 1)) == 1


@property_test
@given(data=json_values)
def test_json_comes_back_as_it_was(data: Any) -> None:
    """Every value that can be sent to a browser can be put into a token."""
    assert token.verify(SECRET, SALT, token.sign(SECRET, SALT, data)) == data
    assert token.decrypt(SECRET, SALT, token.encrypt(SECRET, SALT, data)) == data


@BOTH
def test_atoms_and_bytes_are_told_from_text(make: Make, read: Read) -> None:
    """Bytes that are UTF-8 come back as text, unless ``text=False``."""
    data = {Atom("role"): Atom("admin"), "raw": b"\xff", "ascii": b"abc"}
    text = make(SECRET, SALT, data)

    assert read(SECRET, SALT, text) == {**data, "ascii": "abc"}
    assert read(SECRET, SALT, text, text=False) == {
        Atom("role"): Atom("admin"),
        b"raw": b"\xff",
        b"ascii": b"abc",
    }


@BOTH
def test_what_is_no_term_is_refused_when_the_token_is_made(make: Make, read: Read) -> None:
    """The error names the value."""
    with pytest.raises(EncodeError, match="UUID is no Erlang term"):
        make(SECRET, SALT, {"id": uuid4()})


# What is refused.


@pytest.mark.conformance("TK004", "TK019")
@BOTH
def test_no_token_is_a_missing_one(make: Make, read: Read) -> None:
    """None is a missing token. Empty text is an invalid token."""
    with pytest.raises(TokenMissing, match="there is no token") as caught:
        read(SECRET, SALT, None)
    assert caught.value.reason == "missing"
    with pytest.raises(TokenInvalid):
        read(SECRET, SALT, "")


@pytest.mark.conformance("TK005", "TK020")
@pytest.mark.parametrize(
    "garbage", ["garbage", "é", "..", "SFMyNTY.aaaa.aaaa", "XCP.aaaa", b"\xff", 5, True, [], {}]
)
@BOTH
def test_garbage_is_an_invalid_token(make: Make, read: Read, garbage: Any) -> None:
    """The value can have any type, since clients choose their parameters."""
    with pytest.raises(TokenInvalid) as caught:
        read(SECRET, SALT, garbage)
    assert caught.value.reason == "invalid"


@pytest.mark.conformance("TK006", "TK020")
@BOTH
def test_a_token_for_another_purpose_is_invalid(make: Make, read: Read) -> None:
    """A token of another secret, or of the other kind, is invalid too."""
    text = make(SECRET, SALT, 1)
    other_kind = token.encrypt if make is token.sign else token.sign

    for given_secret, salt, given_token in (
        (SECRET, "reset password", text),
        (SECRET[::-1], SALT, text),
        (SECRET, SALT, other_kind(SECRET, SALT, 1)),
    ):
        with pytest.raises(TokenInvalid):
            read(given_secret, salt, given_token)


@BOTH
def test_a_changed_token_is_invalid(make: Make, read: Read) -> None:
    """This holds for each character."""
    text = make(SECRET, SALT, {"id": 7})

    for position, character in enumerate(text):
        for other in {"", "A", "b", "-", "."} - {character}:
            with pytest.raises(TokenInvalid):
                read(SECRET, SALT, text[:position] + other + text[position + 1 :])


@property_test
@given(payload=st.binary(max_size=60).map(lambda data: b"\x83\x68\x03" + data))
def test_a_genuine_token_with_nonsense_in_it_raises_nothing_else(payload: bytes) -> None:
    """The same secret and salt can be used for another purpose."""
    key = signed.derive_key(SECRET.encode(), SALT.encode())

    try:
        token.verify(SECRET, SALT, signed.sign(payload, key))
    except TokenError:
        return


# Ages.


@pytest.mark.conformance("TK007", "TK021")
@BOTH
def test_a_token_is_as_old_as_it_may_be(make: Make, read: Read) -> None:
    """The age is in seconds. With an age of zero each token has expired."""
    text = make(SECRET, SALT, 1)

    assert read(SECRET, SALT, text, max_age=1000) == 1
    assert read(SECRET, SALT, text, max_age=100) == 1
    for max_age in (-1000, -100, 0):
        with pytest.raises(TokenExpired) as caught:
            read(SECRET, SALT, text, max_age=max_age)
        assert (caught.value.reason, caught.value.max_age) == ("expired", max_age)


@pytest.mark.conformance("TK008", "TK021")
@BOTH
def test_an_age_may_be_less_than_a_second(make: Make, read: Read) -> None:
    """With a tenth of a second, a token is valid at once, and has expired after 150 milliseconds."""
    text = make(SECRET, SALT, 1, signed_at=SIGNED_AT)

    assert read(SECRET, SALT, text, max_age=0.1, now=SIGNED_AT) == 1
    with pytest.raises(TokenExpired):
        read(SECRET, SALT, text, max_age=0.1, now=SIGNED_AT + 0.15)


@pytest.mark.conformance("TK009", "TK021")
@BOTH
def test_a_token_says_how_old_it_may_be_unless_its_reader_does(make: Make, read: Read) -> None:
    """The default is a day."""
    for max_age, good in ((1000, True), (-1000, False), (0.1, False)):
        text = make(SECRET, SALT, 1, signed_at=SIGNED_AT, max_age=max_age)
        if good:
            assert read(SECRET, SALT, text, now=SIGNED_AT + 0.15) == 1
        else:
            with pytest.raises(TokenExpired):
                read(SECRET, SALT, text, now=SIGNED_AT + 0.15)
        assert read(SECRET, SALT, text, now=SIGNED_AT + 0.15, max_age=1000) == 1

    text = make(SECRET, SALT, 1, signed_at=SIGNED_AT)
    assert read(SECRET, SALT, text, now=SIGNED_AT + DAY) == 1
    with pytest.raises(TokenExpired):
        read(SECRET, SALT, text, now=SIGNED_AT + DAY + 0.001)


@pytest.mark.conformance("TK010", "TK022")
@BOTH
def test_an_endless_token_never_expires(make: Make, read: Read) -> None:
    """The maker or the reader can set the infinite age."""
    in_a_century = SIGNED_AT + 100 * 365 * DAY

    endless = make(SECRET, SALT, 1, signed_at=SIGNED_AT, max_age=math.inf)
    assert read(SECRET, SALT, endless, now=in_a_century) == 1
    text = make(SECRET, SALT, 1, signed_at=SIGNED_AT)
    assert read(SECRET, SALT, text, now=in_a_century, max_age=math.inf) == 1


@pytest.mark.conformance("TK011", "TK023")
@BOTH
def test_a_token_may_have_been_made_at_another_time(make: Make, read: Read) -> None:
    """The time is in seconds since 1970. The error has it."""
    text = make(SECRET, SALT, 1, signed_at=SIGNED_AT - DAY)

    assert read(SECRET, SALT, text, max_age=DAY + 1, now=SIGNED_AT) == 1
    with pytest.raises(TokenExpired) as caught:
        read(SECRET, SALT, text, max_age=DAY - 1, now=SIGNED_AT)
    assert (caught.value.signed_at, caught.value.max_age) == (SIGNED_AT - DAY, DAY - 1)


@BOTH
def test_the_time_is_that_of_the_clock(make: Make, read: Read) -> None:
    """Without another time, a token of 1970 has expired, and a token of 2100 is not valid yet."""
    with pytest.raises(TokenExpired) as caught:
        read(SECRET, SALT, make(SECRET, SALT, 1, signed_at=0.5))
    assert caught.value.signed_at == 0.5
    with pytest.raises(TokenInvalid, match="signed in the future"):
        read(SECRET, SALT, make(SECRET, SALT, 1, signed_at=4_102_444_800))
    with pytest.raises(TokenExpired):
        read(SECRET, SALT, make(SECRET, SALT, 1), now=4_102_444_800)


# Keys.


@pytest.mark.conformance("TK012", "TK013", "TK014")
@pytest.mark.parametrize(
    "options", [{"key_iterations": 1}, {"key_digest": "sha512"}, {"key_length": 16}]
)
def test_another_key_makes_another_signature(options: Any) -> None:
    """The same options verify it, and the defaults don't."""
    text = token.sign(SECRET, SALT, 1, signed_at=SIGNED_AT, **options)

    assert text != token.sign(SECRET, SALT, 1, signed_at=SIGNED_AT)
    assert token.verify(SECRET, SALT, text, now=SIGNED_AT, **options) == 1
    with pytest.raises(TokenInvalid):
        token.verify(SECRET, SALT, text, now=SIGNED_AT)


@pytest.mark.conformance("TK015")
def test_the_defaults_of_a_key_are_those_of_phoenix() -> None:
    """They are a thousand iterations, SHA-256, 32 bytes."""
    explicit = token.sign(
        SECRET,
        SALT,
        1,
        signed_at=0,
        max_age=DAY,
        key_iterations=1000,
        key_digest="sha256",
        key_length=32,
    )
    assert explicit == token.sign(SECRET, SALT, 1, signed_at=0)


@pytest.mark.conformance("TK024", "TK025")
@pytest.mark.parametrize("options", [{"key_iterations": 1}, {"key_digest": "sha512"}])
def test_another_key_encrypts_otherwise(options: Any) -> None:
    """Only the same options decrypt it."""
    text = token.encrypt(SECRET, SALT, 1, **options)

    assert token.decrypt(SECRET, SALT, text, **options) == 1
    with pytest.raises(TokenInvalid):
        token.decrypt(SECRET, SALT, text)


def test_a_key_for_encryption_has_32_bytes() -> None:
    """A shorter key can't open a new token."""
    with pytest.raises(ValueError, match="has 32 bytes, got key_length=16"):
        token.encrypt(SECRET, SALT, 1, key_length=16)
    with pytest.raises(TokenInvalid):
        token.decrypt(SECRET, SALT, token.encrypt(SECRET, SALT, 1), key_length=16)


def test_a_mistaken_option_is_found_whatever_was_derived_before() -> None:
    """1000.0 is not accepted in place of 1000."""
    iterations: Any = 1000.0
    token.sign(SECRET, SALT, 1)

    with pytest.raises(ValueError, match="iterations must be an integer"):
        token.sign(SECRET, SALT, 1, key_iterations=iterations)


def test_derived_keys_are_kept_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A derivation takes a thousand hashes. The cache is limited, since a client could cause many salts."""
    derived: list[bytes] = []
    derive_key = signed.derive_key

    def counting(secret: bytes, salt: bytes, **options: Any) -> bytes:
        derived.append(salt)
        return derive_key(secret, salt, **options)

    monkeypatch.setattr(signed, "derive_key", counting)
    token.verify(SECRET, "the cache", token.sign(SECRET, "the cache", 1))
    for number in range(256):
        token.sign(SECRET, f"salt {number}", 1, key_iterations=1)
    assert len(derived) == 257
    token.sign(SECRET, "salt 0", 1, key_iterations=1)
    assert len(derived) == 257
    token.sign(SECRET, "the cache", 1)
    assert derived[257:] == [b"the cache"]


# Secrets.


@BOTH
def test_the_first_secret_makes_tokens_and_all_are_tried(make: Make, read: Read) -> None:
    """To replace a secret, put the new secret first, and remove the old secret later."""
    old, new = SECRET, SECRET[::-1]
    by_old, by_new = make(old, SALT, "old"), make([new, old], SALT, "new")

    assert read([new, old], SALT, by_old) == "old"
    assert read((old.encode(), new), SALT, by_new) == "new"
    assert read(new, SALT, by_new) == "new"
    for dropped in (new, [new]):
        with pytest.raises(TokenInvalid):
            read(dropped, SALT, by_old)
    with pytest.raises(TokenInvalid):
        read(old, SALT, by_new)


@pytest.mark.parametrize(
    "secret", ["", "a" * 19, b"b" * 19, [], [SECRET, "short"], None, [None], 5 * [5]]
)
@BOTH
def test_a_secret_has_at_least_20_bytes(make: Make, read: Read, secret: Any) -> None:
    """Phoenix has the same minimum. A missing environment variable gives None, which is refused."""
    for call in (lambda: make(secret, SALT, 1), lambda: read(secret, SALT, None)):
        with pytest.raises(ValueError, match=r"at least 20 of them; take one from secrets\.token"):
            call()


def test_no_error_shows_a_secret() -> None:
    """Errors are logged."""
    with pytest.raises(ValueError, match="a secret is") as caught:
        token.sign("hunter2", SALT, 1)
    assert "hunter2" not in str(caught.value)


# Packaging.


def test_signed_tokens_need_no_optional_package() -> None:
    """The import of this module needs none either."""
    program = (
        "import sys; sys.modules.update(nacl=None, cryptography=None)\n"
        "from bennu.phoenix import token\n"
        "key = 'abcdefgh' * 8\n"
        "print(token.verify(key, 'a', token.sign(key, 'a', 7)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=os.environ
    )
    assert (result.stdout, result.stderr) == ("7\n", "")
