"""Secrets in parameters are hidden in logs."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import Any

import msgspec
import pydantic
import pytest

from bennu.logs.hiding import ParameterFilter
from bennu.message import Message


@dataclass
class Card:
    """A value of an application."""

    number: str


class Signed(msgspec.Struct):
    """Another value of an application."""

    token: str


class Model(pydantic.BaseModel):
    """A pydantic model."""

    apiKey: str  # noqa: N815 - a client can send this name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(
            {"foo": "bar", "my_password": "x", "api_token": 1},
            {"foo": "bar", "my_password": "[FILTERED]", "api_token": "[FILTERED]"},
            marks=pytest.mark.conformance("LG001"),
            id="top level",
        ),
        pytest.param(
            {"a": {"b": {"password": {"deep": 1}, "c": 2}}},
            {"a": {"b": {"password": "[FILTERED]", "c": 2}}},
            marks=pytest.mark.conformance("LG002"),
            id="nested maps",
        ),
        pytest.param(
            {"a": [{"password": "x", "b": 1}, [{"token": None}]]},
            {"a": [{"password": "[FILTERED]", "b": 1}, [{"token": "[FILTERED]"}]]},
            marks=pytest.mark.conformance("LG003"),
            id="lists of maps",
        ),
        pytest.param(
            {"card": Card("x"), "cards": [Card("y")]},
            {"card": Card("x"), "cards": [Card("y")]},
            marks=pytest.mark.conformance("LG004"),
            id="structs untouched",
        ),
        pytest.param(
            {1: "a", None: {"token": "b"}, "c": 3},
            {1: "a", None: {"token": "[FILTERED]"}, "c": 3},
            marks=pytest.mark.conformance("LG005"),
            id="keys that are no text",
        ),
        pytest.param(
            {"signed": Signed("x"), "model": Model(apiKey="x"), "n": 1},
            {"signed": {"token": "[FILTERED]"}, "model": {"apiKey": "[FILTERED]"}, "n": 1},
            id="structs and models with a secret are shown without it",
        ),
        pytest.param(["password", "a"], ["password", "a"], id="a value alone is no secret"),
        pytest.param("text", "text", id="no map at all"),
    ],
)
def test_discarding_hides_what_stands_under_a_key_that_contains_a_term(
    value: Any, shown: Any
) -> None:
    """The default terms are password and token. The value itself stays unchanged."""
    before = repr(value)

    assert ParameterFilter()(value) == shown
    assert repr(value) == before


@pytest.mark.parametrize(
    "key",
    [
        "authToken", "accessToken", "refresh_token", "TOKEN", "Password", "new-password", "passwd",
        "clientSecret", "Authorization", "Cookie", "set-cookie", "api_key", "apiKey", "X-Api-Key", "APIKEY",
        "jwt", "credentials", "private_key", "privateKey", "PrivateKey", "pass.phrase", "user[password]",
        "k" * 2000,
    ],
)  # fmt: skip
def test_usual_names_of_secrets_are_known_whatever_their_case_and_separators(key: str) -> None:
    """The value of a very long name is hidden too."""
    assert ParameterFilter()({"a": [{key: ["x"]}]})["a"][0].popitem()[1] == "[FILTERED]"


@pytest.mark.parametrize(
    "text",
    [
        "see /login?authToken=x",
        "Authorization: Bearer x",
        '{"access_token": "x"}',
        "token%3Dx",
        "API_KEY = x",
    ],
)
def test_a_text_that_holds_a_secret_with_its_name_is_hidden(text: str) -> None:
    assert ParameterFilter()([text, "a token"]) == ["[FILTERED]", "a token"]


def deep(levels: int) -> Any:
    value: Any = {"token": "x"}
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 100] * 100_000,
        {str(number): {"a": number} for number in range(100_000)},
        {f"token{number}": number for number in range(100_000)},
        "x" * 10_000_000,
        deep(5_000),
        [[[["x"] * 100] * 100] * 100] * 100,
    ],
    ids=["list", "dict", "secrets", "text", "deep", "wide"],
)
def test_of_a_large_value_only_a_part_is_looked_at(value: Any) -> None:
    """Only a part of a large value is read, so megabytes cost no more than one line."""
    for hide in (ParameterFilter(), ParameterFilter(keep=["a"])):
        tracemalloc.start()
        try:
            shown = hide(value)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 300_000
        assert "'x'}" not in repr(shown)


@pytest.mark.conformance("SK017", "SK018", "SK019")
def test_a_message_that_is_shown_does_not_show_its_json_payload() -> None:
    """A payload is raw until a handler decodes it, so it is not shown."""
    raw = msgspec.Raw(b'{"value":"a=1&password=hunter2"}')

    assert "hunter2" not in repr(Message("1", "2", "room:1", "new", raw))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(
            {"id": 1, "foo": "x", "n": None},
            {"id": 1, "foo": "[FILTERED]", "n": "[FILTERED]"},
            marks=pytest.mark.conformance("LG006"),
            id="everything not named",
        ),
        pytest.param(
            {"user": {"id": {"password": "kept"}, "x": 1}, "id": Card("x")},
            {"user": {"id": {"password": "kept"}, "x": "[FILTERED]"}, "id": Card("x")},
            marks=pytest.mark.conformance("LG007"),
            id="named values whole, nested below and structs too",
        ),
        pytest.param(
            {"a": [1, {"b": 2, "id": 3}], "c": {}, "d": Card("x")},
            {
                "a": ["[FILTERED]", {"b": "[FILTERED]", "id": 3}],
                "c": {},
                "d": {"number": "[FILTERED]"},
            },
            marks=pytest.mark.conformance("LG008"),
            id="leaves only, inside of lists too",
        ),
        pytest.param({"my_id": 1}, {"my_id": "[FILTERED]"}, id="exactly these keys"),
        pytest.param("text", "[FILTERED]", id="no map at all"),
    ],
)
def test_keeping_shows_only_what_stands_under_the_named_keys(value: Any, shown: Any) -> None:
    """The structure of the value is shown, and its leaves are hidden."""
    assert ParameterFilter(keep=["id"])(value) == shown


@pytest.mark.conformance("LG009")
def test_a_filter_is_made_once_and_used_for_every_value() -> None:
    """A filter is made once. Other terms replace the default terms."""
    hide = ParameterFilter(("secret",))

    for _ in range(2):
        assert hide({"my_secret": 1, "password": 2}) == {"my_secret": "[FILTERED]", "password": 2}
