"""The signed text of itsdangerous, with that library as the oracle."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from itsdangerous import TimestampSigner

from bennu.auth.starlette_cookie import unsign
from bennu.errors import TokenExpired, TokenInvalid

SECRET = b"a secret of Starlette's"


def sign(value: bytes, secret: bytes = SECRET) -> tuple[bytes, int]:
    """A signed text, and when it was made."""
    signer = TimestampSigner(secret)
    signed = signer.sign(value)
    _, made = signer.unsign(signed, return_timestamp=True)
    return signed, int(made.timestamp())


@given(st.binary())
def test_what_the_library_signs_is_read(value: bytes) -> None:
    """Whatever is in it, dots too."""
    signed, made = sign(value)
    assert unsign(signed, [b"new", SECRET], now=made, max_age=None) == value


@pytest.mark.parametrize(("age", "expired"), [(0, False), (60, False), (61, True), (-1, True)])
def test_it_may_be_so_old(age: int, expired: bool) -> None:
    """And not of the future."""
    signed, made = sign(b"value")
    if expired:
        with pytest.raises(TokenExpired):
            unsign(signed, [SECRET], now=made + age, max_age=60)
    else:
        assert unsign(signed, [SECRET], now=made + age, max_age=60) == b"value"


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_text_is_refused(position: int, difference: int) -> None:
    """Whichever byte it is."""
    signed, made = sign(b"value")
    changed = bytearray(signed)
    changed[position % len(signed)] ^= difference
    with pytest.raises(TokenInvalid):
        unsign(bytes(changed), [SECRET], now=made, max_age=None)


@pytest.mark.parametrize("text", [b"", b"a", b"a.b", b"a.b.c", b"..", b"a.b.!!"])
def test_what_is_no_signed_text_is_refused(text: bytes) -> None:
    with pytest.raises(TokenInvalid):
        unsign(text, [SECRET], now=0, max_age=None)


def test_another_secret_is_refused() -> None:
    signed, made = sign(b"value", b"another")
    with pytest.raises(TokenInvalid):
        unsign(signed, [SECRET], now=made, max_age=None)
