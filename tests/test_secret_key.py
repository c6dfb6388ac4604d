"""Secret keys: the values that are accepted as one or several keys."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.errors import DefinitionError
from bennu.secret_key import SECRET_VARIABLE, given_secret, secrets_of

LONG = "a secret of 20 bytes"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (LONG, [LONG.encode()]),
        (LONG.encode(), [LONG.encode()]),
        ([LONG.encode(), LONG.upper()], [LONG.encode(), LONG.upper().encode()]),
        ("ä" * 10, ["ä".encode() * 10]),
    ],
)
def test_a_secret_is_text_or_bytes_or_several(given: Any, read: list[bytes]) -> None:
    """The length of a key is counted in bytes."""
    assert secrets_of(given) == read


@pytest.mark.parametrize("wrong", [None, "", LONG[:-1], [], [LONG, "short"], [LONG, None]])
def test_a_short_or_missing_secret_is_refused(wrong: Any) -> None:
    """The error says how to make a key, and does not show the key."""
    with pytest.raises(ValueError, match=r"secrets\.token_urlsafe\(48\)") as caught:
        secrets_of(wrong)
    assert LONG not in str(caught.value)


def test_the_secret_of_an_endpoint_can_be_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is given wins, an empty variable is none, and the error of a short secret names the option."""
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    assert given_secret(None) is None
    monkeypatch.setenv(SECRET_VARIABLE, "")
    assert given_secret(None) is None
    monkeypatch.setenv(SECRET_VARIABLE, LONG)
    assert given_secret(None) == LONG
    assert given_secret(LONG.upper()) == LONG.upper()
    with pytest.raises(DefinitionError, match=r"Endpoint\(secret_key=") as caught:
        given_secret("short")
    assert "short'" not in caught.value.got
