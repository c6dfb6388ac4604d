"""CSRF tokens, compared with a second implementation of what Plug.CSRFProtection does."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from bennu import csrf
from bennu.csrf import make_state, mask, matches

STATE = make_state(bytes(range(18)))

randoms = st.binary(min_size=18, max_size=18)


def plugs_valid_state_and_csrf_token(state: bytes, token: bytes) -> bool:
    """Return the result of Plug's ``valid_state_and_csrf_token?``, translated line by line."""
    if len(state) != 24 or len(token) != 32 + 24:
        return False
    user_token, mask_ = token[:32], token[32:]
    decoded = base64.urlsafe_b64decode(user_token)
    return bytes(a ^ b for a, b in zip(state, decoded, strict=True)) == mask_


def test_a_token_has_the_form_that_plug_gives_it() -> None:
    """URL-safe base64 of state XOR mask, 32 characters, and the mask, 24.

    ``A`` is 0x41, ``_`` is 0x5F: the first byte is 0x1E.
    """
    token = mask(STATE, make_state(b"\xff" * 18))
    assert STATE == "AAECAwQFBgcICQoLDA0ODxAR"
    assert token == "Hh4aHB4oDhkdODwWHA4wExsebxAbJx4N________________________"


@given(randoms, randoms)
def test_a_token_is_good_for_its_state(state: bytes, other: bytes) -> None:
    """A token is valid for its state with any mask. Plug's function accepts it too."""
    token = mask(make_state(state), make_state(other))
    assert len(token) == 56
    assert matches(make_state(state), token)
    assert plugs_valid_state_and_csrf_token(make_state(state).encode(), token.encode())


@given(randoms, randoms, randoms)
def test_a_token_is_bad_for_any_other(state: bytes, other: bytes, random: bytes) -> None:
    token = mask(make_state(state), make_state(random))
    assert matches(make_state(other), token) is (state == other)


@given(randoms, st.integers(0, 55), st.characters(codec="ascii"))
@example(b"\0\0\0\0\x80" + bytes(13), 7, "+")
def test_a_changed_token_is_bad(random: bytes, position: int, character: str) -> None:
    """A token with any changed character is invalid."""
    token = mask(STATE, make_state(random))
    changed = token[:position] + character + token[position + 1 :]
    assert matches(STATE, changed) is (changed == token)


@pytest.mark.parametrize(
    ("state", "token"),
    [
        (None, mask(STATE, STATE)),
        (7, mask(STATE, STATE)),
        ("short", mask(STATE, STATE)),
        ("ä" * 24, mask(STATE, STATE)),
        (STATE, None),
        (STATE, {"a": "map"}),
        (STATE, ""),
        (STATE, STATE),
        (STATE, mask(STATE, STATE) + "x"),
        (STATE, "ä" * 56),
        (STATE, "=" * 32 + STATE),
        (STATE, "AAA=" * 8 + STATE),
        (STATE, "!" * 32 + STATE),
    ],
    ids=map(str, range(13)),
)
def test_what_is_no_token_is_bad(state: Any, token: Any) -> None:
    """A value that is no token is invalid. Both values come from outside, and can have any type."""
    assert not matches(state, token)


# Tokens and sessions.


def test_a_token_is_good_for_the_session_that_it_was_made_of() -> None:
    """Each page gets another token, and the session changes only once."""
    session: dict[str, Any] = {"user": 7}
    first, second = csrf.token_for(session), csrf.token_for(session)
    assert first != second
    assert session.keys() == {"user", "_csrf_token"}
    assert csrf.is_valid(session, first)
    assert csrf.is_valid(session, second)
    assert not csrf.is_valid({}, first)
    assert not csrf.is_valid({"_csrf_token": csrf.token_for({})[32:]}, first)


def test_the_key_in_the_session_may_be_another() -> None:
    session: dict[str, Any] = {}
    token = csrf.token_for(session, "mine")
    assert session.keys() == {"mine"}
    assert csrf.is_valid(session, token, "mine")
    assert not csrf.is_valid(session, token)


@pytest.mark.parametrize("junk", [None, 7, "short", "ä" * 24])
def test_what_is_no_state_is_replaced(junk: Any) -> None:
    """A value in the session that is no state is replaced."""
    session = {"_csrf_token": junk}
    assert csrf.is_valid(session, csrf.token_for(session))


def test_the_phoenix_room_has_it_too() -> None:
    """The phoenix room has the same tokens, so pages of Phoenix and Starlette can share a session."""
    from bennu.phoenix import csrf as of_phoenix

    assert of_phoenix is csrf
