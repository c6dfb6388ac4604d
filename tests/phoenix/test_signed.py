"""Keys, text, payloads and signatures of tokens (protocol, §8.1–§8.3)."""

from __future__ import annotations

import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bennu.errors import EncodeError, TokenExpired, TokenInvalid
from bennu.phoenix.etf import Atom, encode
from bennu.phoenix.signed import (
    DAY,
    MAX_TOKEN,
    Digest,
    SignatureDigest,
    derive_key,
    from_base64,
    read_payload,
    sign,
    split,
    to_base64,
    verify,
    write_payload,
)

from ..support.properties import property_test

NOW = 1_700_000_000_000

DIGESTS: list[SignatureDigest] = ["sha256", "sha384", "sha512"]

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

# Keys.

SHA1_64 = (
    "6e88be8bad7eae9d9e10aa061224034fed48d03fcbad968b56006784539d5214"
    "ce970d912ec2049b04231d47c2eb88506945b26b2325e6adfeeba08895ff9587"
)


@pytest.mark.conformance("TK033")
@pytest.mark.parametrize(
    ("digest", "iterations", "length", "key"),
    [
        ("sha1", 1, 20, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
        ("sha1", 2, 20, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
        ("sha1", 4096, 20, "4b007901b765489abead49d926f721d065a429c1"),
        ("sha1", 1000, 32, SHA1_64[:64]),
        ("sha1", 1000, 64, SHA1_64),
        ("sha224", 1, 16, "3c198cbdb9464b7857966bd05b7bc92b"),
        ("sha256", 1, 16, "120fb6cffcf8b32c43e7225256c4f837"),
        ("sha384", 1, 16, "c0e14f06e49e32d73f9f52ddf1d0c5c7"),
        ("sha512", 1, 16, "867f70cf1ade02cff3752599a3a53dc4"),
    ],
)
def test_keys_are_derived_as_everybody_does(
    digest: Digest, iterations: int, length: int, key: str
) -> None:
    """These are the known answers of PBKDF2 for "password" and "salt"."""
    derived = derive_key(b"password", b"salt", iterations=iterations, length=length, digest=digest)
    assert derived.hex() == key


@pytest.mark.conformance("TK033")
def test_secrets_and_salts_may_be_long_and_hold_zero_bytes() -> None:
    """These are the other known answers."""
    long = derive_key(
        b"passwordPASSWORDpassword",
        b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
        iterations=4096,
        length=25,
        digest="sha1",
    )
    zeros = derive_key(b"pass\0word", b"sa\0lt", iterations=4096, length=16, digest="sha1")

    assert long.hex() == "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"
    assert zeros.hex() == "56fa6aa75548099dcc37d7f03425e0c3"


@pytest.mark.conformance("TK033")
def test_keys_have_32_bytes_of_a_thousand_rounds_of_sha_256_by_default() -> None:
    """Phoenix has the same defaults."""
    key = derive_key(b"password", b"salt")
    assert key.hex() == "632c2812e46d4604102ba7618e9d6d7d2f8128f6266b4a03264d2a0460b7dcb3"


@pytest.mark.conformance("TK034")
@pytest.mark.parametrize("iterations", [0, -1, 32.0, None, "many", True])
def test_the_iterations_are_an_integer_from_1_on(iterations: Any) -> None:
    """Other values are an error of the caller."""
    with pytest.raises(ValueError, match="iterations must be an integer from 1 on, got"):
        derive_key(b"secret", b"salt", iterations=iterations)


@pytest.mark.conformance("TK034")
@pytest.mark.parametrize("length", [2**32, 0, -1, 32.0, None])
def test_the_length_is_an_integer_that_fits_into_32_bits(length: Any) -> None:
    """A key must have at least one byte."""
    with pytest.raises(ValueError, match="length must be an integer from 1 to"):
        derive_key(b"secret", b"salt", length=length)


def test_the_digest_is_one_of_five() -> None:
    """MD5 is not among them."""
    md5: Any = "md5"
    with pytest.raises(ValueError, match=r"digest must be one of .*'sha256'.*, got 'md5'"):
        derive_key(b"secret", b"salt", digest=md5)


# Payloads.


def test_a_payload_is_a_tuple_of_data_time_and_age() -> None:
    """The time is in milliseconds, the age in seconds. An infinite age is an atom."""
    assert write_payload("a", signed_at_ms=NOW, max_age=60) == encode(("a", NOW, 60))
    assert write_payload("a", signed_at_ms=NOW, max_age=0.5) == encode(("a", NOW, 0.5))
    assert write_payload("a", signed_at_ms=NOW, max_age=math.inf) == encode(
        ("a", NOW, Atom("infinity"))
    )
    with pytest.raises(EncodeError, match="object is no Erlang term"):
        write_payload(object(), signed_at_ms=NOW, max_age=60)


@pytest.mark.parametrize(
    ("term", "age"),
    [
        pytest.param(("a", NOW, 60), 60, id="today"),
        pytest.param(("a", NOW), DAY, id="of Plug.Crypto 1.1"),
        pytest.param({Atom("data"): "a", Atom("signed"): NOW}, DAY, id="of an old Phoenix"),
        pytest.param({Atom("data"): "a", Atom("signed"): NOW, 1: 2}, DAY, id="with more in it"),
    ],
)
def test_payloads_of_old_releases_are_read(term: Any, age: int) -> None:
    """They are valid for a day."""
    payload = encode(term)

    assert read_payload(payload, now_ms=NOW + age * 1000) == "a"
    with pytest.raises(TokenExpired):
        read_payload(payload, now_ms=NOW + age * 1000 + 1)


@pytest.mark.parametrize(
    ("max_age", "elapsed_ms", "good"),
    [
        (60, 0, True),
        (60, 60_000, True),
        (60, 60_001, False),
        (0.1, 100, True),
        (0.1, 101, False),
        (0.0005, 0, True),
        (0.0005, 1, False),
        (0, 0, False),
        (-60, 0, False),
        (-60, -30_000, False),
        (60, -60_000, True),
        (math.inf, 10**15, True),
        (1e308, 10**15, True),
        (10**400, 10**15, True),
        (-(10**400), 0, False),
    ],
)
def test_a_payload_is_good_until_its_age_is_over(
    max_age: float, elapsed_ms: int, good: bool
) -> None:
    """The age comes from the payload, or from the reader."""
    own = write_payload("a", signed_at_ms=NOW, max_age=max_age)
    other = write_payload("a", signed_at_ms=NOW, max_age=-1 if good else math.inf)
    now = NOW + elapsed_ms

    for payload, given_age in ((own, None), (other, max_age)):
        if good:
            assert read_payload(payload, now_ms=now, max_age=given_age) == "a"
        else:
            with pytest.raises(TokenExpired, match="the token has expired") as caught:
                read_payload(payload, now_ms=now, max_age=given_age)
            assert (caught.value.signed_at, caught.value.max_age) == (NOW / 1000, max_age)


def test_no_age_is_not_a_number() -> None:
    """With NaN a token would never expire."""
    payload = write_payload("a", signed_at_ms=NOW, max_age=60)

    with pytest.raises(TokenExpired):
        read_payload(payload, now_ms=NOW, max_age=math.nan)


def test_a_payload_of_the_future_is_refused_unless_clocks_may_explain_it() -> None:
    """Plug.Crypto after 2.1.1 refuses one of the next millisecond, those before none at all.

    A minute is allowed here: two machines are not one.
    """
    payload = write_payload("a", signed_at_ms=NOW, max_age=60)
    endless = write_payload("a", signed_at_ms=NOW, max_age=math.inf)

    assert read_payload(payload, now_ms=NOW - 60_000) == "a"
    with pytest.raises(TokenInvalid, match="signed in the future"):
        read_payload(payload, now_ms=NOW - 60_001)
    assert read_payload(endless, now_ms=0) == "a"


@pytest.mark.parametrize(
    "term",
    [
        "a",
        (),
        ("a",),
        ("a", NOW, 60, 1),
        ["a", NOW, 60],
        {},
        {Atom("data"): "a"},
        {"data": "a", "signed": NOW},
        ("a", None, 60),
        ("a", True, 60),
        ("a", float(NOW), 60),
        ("a", 2**63, 60),
        ("a", -(10**400), 60),
        ("a", NOW, None),
        ("a", NOW, True),
        ("a", NOW, "60"),
        ("a", NOW, Atom("never")),
    ],
)
def test_a_term_that_is_no_payload_is_refused(term: Any) -> None:
    """Such a term is signed only if the key is used for another purpose."""
    for max_age in (None, math.inf):
        with pytest.raises(TokenInvalid, match=r"holds no payload|does not say when"):
            read_payload(encode(term), now_ms=NOW, max_age=max_age)


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x83", b"\x83\x70\0\0\0\x1d"])
def test_bytes_that_are_no_term_are_refused(payload: bytes) -> None:
    """The error says what is wrong."""
    with pytest.raises(TokenInvalid, match="no term that can be read: a term"):
        read_payload(payload, now_ms=NOW)


def test_binaries_of_the_data_stay_bytes_if_that_is_wanted() -> None:
    """An application can put bytes into its tokens."""
    payload = write_payload(b"abc", signed_at_ms=NOW, max_age=60)

    assert read_payload(payload, now_ms=NOW) == "abc"
    assert read_payload(payload, now_ms=NOW, text=False) == b"abc"


# Signatures.


@pytest.mark.conformance("TK026")
@pytest.mark.parametrize(
    ("digest", "name", "size"),
    [("sha256", b"HS256", 43), ("sha384", b"HS384", 64), ("sha512", b"HS512", 86)],
)
def test_a_signed_token_has_three_parts(digest: SignatureDigest, name: bytes, size: int) -> None:
    """The parts are the name of the algorithm, the payload, and the signature."""
    head, payload, signature = sign(b"hello world", b"secret", digest).split(".")

    assert urlsafe_b64decode(head + "=") == name
    assert urlsafe_b64decode(payload + "=") == b"hello world"
    assert len(signature) == size


@pytest.mark.conformance("TK027")
@pytest.mark.parametrize("digest", DIGESTS)
def test_what_was_signed_is_verified(digest: SignatureDigest) -> None:
    """The key must be the same. The token names the algorithm."""
    token = sign(b"hello world", b"secret", digest)

    assert verify(token, [b"secret"]) == b"hello world"
    assert verify(token.encode(), [b"secret"]) == b"hello world"


@pytest.mark.conformance("TK028")
@pytest.mark.parametrize("digest", DIGESTS)
def test_another_key_verifies_nothing(digest: SignatureDigest) -> None:
    """Several wrong keys, or no keys, verify nothing either."""
    token = sign(b"hello world", b"secret", digest)

    for keys in ([b"secreto"], [b"secreto", b"secres"], []):
        with pytest.raises(TokenInvalid, match="another secret or salt, or was changed"):
            verify(token, keys)


def test_one_of_several_keys_is_enough() -> None:
    """It can be at any place, as in a rotation."""
    token = sign(b"hello world", b"secret")

    assert verify(token, [b"newer", b"secret", b"older"]) == b"hello world"


@pytest.mark.conformance("TK029")
@pytest.mark.parametrize("digest", DIGESTS)
def test_a_changed_payload_is_refused(digest: SignatureDigest) -> None:
    """The signature does not match."""
    head, _, signature = sign(b"hello world", b"secret", digest).split(".")
    changed = f"{head}.{to_base64(b'another world').decode()}.{signature}"

    with pytest.raises(TokenInvalid):
        verify(changed, [b"secret"])


@pytest.mark.conformance("TK030")
@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("name", [b"HS256", b"HS384", b"HS512", b"HS1", b"none", b""])
def test_a_changed_algorithm_is_refused(digest: SignatureDigest, name: bytes) -> None:
    """The name is signed too, and there are only three algorithms."""
    head, payload, signature = sign(b"hello world", b"secret", digest).split(".")
    other = to_base64(name).decode()

    if other != head:
        with pytest.raises(TokenInvalid):
            verify(f"{other}.{payload}.{signature}", [b"secret"])


@pytest.mark.conformance("TK036")
@pytest.mark.parametrize("change", [
    pytest.param(lambda signature: bytes((signature[0] ^ 1,)) + signature[1:], id="the first bit"),
    pytest.param(lambda signature: signature[:-1] + bytes((signature[-1] ^ 1,)), id="the last bit"),
    pytest.param(lambda signature: signature[:-1], id="shorter"),
    pytest.param(lambda signature: signature + b"\0", id="longer"),
    pytest.param(lambda _: b"", id="none"),
])  # fmt: skip
def test_only_an_equal_signature_is_one(change: Any) -> None:
    """A changed bit, a missing byte or a further byte makes it invalid."""
    signed, _, signature = sign(b"hello world", b"secret").rpartition(".")
    other = change(urlsafe_b64decode(signature + "="))

    with pytest.raises(TokenInvalid):
        verify(f"{signed}.{to_base64(other).decode()}", [b"secret"])


def test_no_character_of_a_token_can_be_changed() -> None:
    """A missing or doubled character is invalid too. Only the padding of the last part is ignored."""
    token = sign(b"hello world!", b"secret")

    for position, character in enumerate(token):
        before, after = token[:position], token[position + 1 :]
        changes = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= é")
        for other in ["", character * 2, *(changes - {character})]:
            with pytest.raises(TokenInvalid):
                verify(before + other + after, [b"secret"])
    assert verify(f"{token}=", [b"secret"]) == b"hello world!"


@pytest.mark.parametrize(
    "token", ["", "garbage", "a.b", "SFMyNTY.aa", "SFMyNTY.aa.aa.aa", "XCP.aaaa", "..", "...."]
)
def test_what_has_not_three_parts_is_no_signed_token(token: str) -> None:
    """Encrypted tokens are no signed tokens."""
    with pytest.raises(TokenInvalid, match="this is no signed token"):
        verify(token, [b"secret"])


@property_test
@given(st.binary(max_size=100), st.binary(min_size=1, max_size=64), st.sampled_from(DIGESTS))
def test_every_payload_comes_back(payload: bytes, key: bytes, digest: SignatureDigest) -> None:
    """This holds for every key."""
    assert verify(sign(payload, key, digest), [key]) == payload


@property_test
@given(
    st.text(max_size=40)
    | st.binary(max_size=40)
    | st.tuples(st.sampled_from(["SFMyNTY", "SFMzODQ", "XCP", ""]), st.text(), st.text()).map(
        ".".join
    )
)
def test_no_text_raises_anything_but_invalid(token: str | bytes) -> None:
    """A client can send any text."""
    with pytest.raises(TokenInvalid):
        verify(token, [b"secret"])


# The text: parts of base64, each in one spelling only.


@property_test
@given(st.binary(max_size=60))
def test_bytes_are_written_without_padding_and_read_with_it_or_without(data: bytes) -> None:
    """Phoenix writes no padding, and reads both."""
    text = to_base64(data)

    assert set(text) <= set(ALPHABET)
    assert from_base64(text) == data
    assert from_base64(urlsafe_b64encode(data)) == data


@property_test
@given(st.binary(min_size=1, max_size=20), st.data())
def test_another_text_is_other_bytes_or_none(data: bytes, draw: st.DataObject) -> None:
    """Otherwise a client could change a token that stays valid."""
    text = to_base64(data)
    position = draw.draw(st.integers(0, len(text) - 1))
    other = draw.draw(st.sampled_from(ALPHABET).filter(lambda one: one != text[position]))

    try:
        changed = from_base64(text[:position] + bytes((other,)) + text[position + 1 :])
    except TokenInvalid:
        return
    assert changed != data


@pytest.mark.parametrize(
    "text",
    [
        b"A",
        b"AAAAA",
        b"AB",  # the unused bits are set
        b"AAB",
        b"AA=",
        b"AA===",
        b"AAA==",
        b"AAAA=",
        b"AAAA====",
        b"=",
        b"A A",
        b"AA\n",
        b"AA+A",
        b"AA/A",
        b"AA.A",
        b"=AAAA",
        b"AA==AA==",
        b"\xff\xff\xff\xff",
    ],
)
def test_what_nobody_writes_is_refused(text: bytes) -> None:
    """Examples are wrong lengths and paddings, unused bits, other alphabets."""
    with pytest.raises(TokenInvalid, match="not base64"):
        from_base64(text)


def test_a_token_is_ascii_and_falls_apart_at_its_dots() -> None:
    """It is text or bytes. It is split into at most six parts, since no token has more than five."""
    assert split("a.b.") == split(b"a.b.") == [b"a", b"b", b""]
    assert split("") == [b""]
    assert len(split("." * 1000)) == 6
    with pytest.raises(TokenInvalid, match="this is no token"):
        split("a.é")


def test_a_token_has_at_most_two_million_characters() -> None:
    """A longer text is refused at once."""
    assert split("a" * MAX_TOKEN) == [b"a" * MAX_TOKEN]
    with pytest.raises(TokenInvalid, match="at most 2000000 characters, got 2000001"):
        split("a" * (MAX_TOKEN + 1))
