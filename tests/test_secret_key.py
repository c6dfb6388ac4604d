"""Secret keys: the values that are accepted as one or several keys."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.secret_key import secrets_of

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
