"""The reason of a refusal, in a few words: types and paths, without values of the client."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.errors import KeyRefused, Refused, TokenExpired, TokenInvalid
from bennu.logs.why import why, why_refused


def mistakes(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "message": message} for path, message in pairs]


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"reason": "full", "room": "secret"}, "full"),
        ({"reason": "a\nb"}, r"a\nb"),
        ({"reason": {"a": 1}}, "{'a': 1}"),
        ({"code": 5}, "error"),
        ("no", "error"),
        (
            {
                "reason": "invalid_params",
                "errors": mistakes(("token", "Expected `str`, got `int`")),
            },
            "invalid_params (token: expected str, got int)",
        ),
        (
            {"reason": "invalid_payload", "errors": mistakes(*[("", "Wrong")] * 9)},
            "invalid_payload (wrong; wrong; wrong)",
        ),
        (
            {
                "reason": "invalid_payload",
                "errors": mistakes(("k", "Invalid enum value 'se\\'cret'")),
            },
            "invalid_payload (k: invalid enum value …)",
        ),
        (
            {"reason": "invalid_payload", "errors": mistakes(("k", "Invalid enum value 4711"))},
            "invalid_payload (k: invalid enum value …)",
        ),
        ({"reason": "invalid_payload", "errors": "mine"}, "invalid_payload"),
        ({"reason": "invalid_payload", "errors": [1]}, "invalid_payload"),
    ],
    ids=range(11),
)
def test_why_by_the_response(response: Any, text: str) -> None:
    assert why(response) == text


@pytest.mark.parametrize(
    ("refused", "text"),
    [
        (Refused("full", retry_after_ms=1), "full"),
        (TokenExpired(0.0, 1.0), "token_expired (the token has expired)"),
        (TokenInvalid("no key 'k1' for RS256"), "token_invalid (no key … for RS256)"),
        (KeyRefused("the key '__proto__' is none"), "presence_key (the key … is none)"),
    ],
    ids=["refused", "expired", "invalid", "key"],
)
def test_why_by_the_exception(refused: Refused, text: str) -> None:
    """The text of a token's error is for the log. The client gets less."""
    assert why_refused(refused) == text
