"""The errors: their tree, their fields, and their texts, which say what to write."""

from __future__ import annotations

import pytest

from bennu import errors
from bennu.errors import (
    BennuError,
    DefinitionError,
    KeyRefused,
    MetaRefused,
    PresenceRefused,
    Refused,
    Stop,
    TokenError,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TooManyKeys,
    source_line,
)


def test_every_error_is_a_bennu_error_and_stands_in_the_drawn_tree() -> None:
    """All errors are subclasses of BennuError, and the module's docstring lists each of them."""
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), BennuError)
        assert name in (errors.__doc__ or "")


def test_a_definition_error_says_what_was_expected_what_came_and_what_to_write() -> None:
    """The text of a DefinitionError has a line for each of its four fields."""
    error = DefinitionError("the topic", expected="a str", got="5", write='"room:1"')

    assert str(error) == ('the topic\n  expected: a str\n  got:      5\n  write:    "room:1"')
    assert (error.subject, error.expected, error.got, error.write) == (
        "the topic",
        "a str",
        "5",
        '"room:1"',
    )


def test_a_definition_error_ends_with_the_place_if_it_is_known() -> None:
    """The place is on its own line."""
    error = DefinitionError("x", expected="a", got="b", write="c", where="app.py:7")

    assert str(error).endswith("\n  at:       app.py:7")
    assert error.where == "app.py:7"


def test_source_line_names_file_and_line_of_a_function() -> None:
    """Editors and terminals make a link of ``file:line``."""
    file, _, line = (source_line(_a_function) or "").rpartition(":")

    assert file == __file__
    assert int(line) == _a_function.__code__.co_firstlineno


def test_source_line_of_what_has_no_python_source_is_none() -> None:
    """A built-in function has no source line."""
    assert source_line(len) is None


def test_refused_carries_its_reason_and_whatever_else_the_client_shall_read() -> None:
    """The payload of Refused is the response of the error reply."""
    refused = Refused("full", retry_after_ms=5000)

    assert refused.payload == {"reason": "full", "retry_after_ms": 5000}
    assert str(refused) == "full"
    assert Refused("no").payload == {"reason": "no"}


@pytest.mark.parametrize(
    ("reason", "closes"),
    [
        ("normal", True),
        ("shutdown", True),
        ("shutdown:left", True),
        ("shutdowns", False),
        ("shutdown left", False),
        ("Normal", False),
        ("", False),
        ("kicked", False),
    ],
)
def test_a_stop_closes_for_the_reasons_of_an_orderly_end_and_fails_for_all_others(
    reason: str, closes: bool
) -> None:
    """After phx_close the client does not rejoin; after phx_error it rejoins (protocol, §2.13)."""
    assert Stop(reason).closes is closes


def test_a_stop_is_normal_and_answers_nothing_unless_told() -> None:
    """The defaults are those of ``{:stop, :normal, socket}``."""
    stop = Stop()

    assert (stop.reason, stop.reply, str(stop)) == ("normal", None, "normal")
    assert Stop("kicked", reply={"a": 1}).reply == {"a": 1}


def test_a_token_error_has_the_reason_that_phoenix_gives() -> None:
    """The reason tells which of the three token errors it is."""
    errors: list[TokenError] = [TokenExpired(100.0, 60.0), TokenInvalid("changed"), TokenMissing()]

    assert [error.reason for error in errors] == ["expired", "invalid", "missing"]


def test_an_expired_token_says_how_old_it_may_be_but_not_in_its_text() -> None:
    """The fields of TokenExpired are for logs, and its text does not contain them."""
    expired = TokenExpired(100.0, 60.0)

    assert (expired.signed_at, expired.max_age, str(expired)) == (
        100.0,
        60.0,
        "the token has expired",
    )


def _a_function() -> None:
    """Have a source line in this file."""


@pytest.mark.parametrize("kind", [KeyRefused, MetaRefused, TooManyKeys])
def test_a_presence_that_is_refused_has_a_text_for_the_log_and_a_reason_for_the_client(
    kind: type[PresenceRefused],
) -> None:
    error = kind("the key is 7")
    assert str(error) == "the key is 7"
    assert error.payload["reason"] == error.reason
    assert "7" not in error.reason


def test_the_client_of_a_wrong_token_gets_its_reason_alone() -> None:
    assert TokenInvalid("changed").payload == {"reason": "token_invalid"}
