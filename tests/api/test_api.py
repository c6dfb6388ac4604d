"""The options of the HTTP API are checked, and their errors show no key."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Api, DefinitionError, Endpoint

KEY = "a key of 20 bytes or more".replace(" ", "-")


def test_several_names_have_several_keys() -> None:
    api = Api(keys={"billing": [KEY, KEY + "-old"], "crm": (KEY + "-crm").encode()})
    assert sorted(api.keys.values()) == ["billing", "billing", "crm"]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        None,
        [KEY],
        {"": KEY},
        {7: KEY},
        {"billing": "hunter2"},
        {"billing": None},
        {"billing": []},
        {"billing": 7},
        {"a": KEY, "b": KEY},
        {"billing": "with a space, or a line\nbreak"},
        {"billing": "not ASCII: hunter2 hunter2 ⚡"},
    ],
)
def test_keys_that_can_not_be_used(keys: Any) -> None:
    with pytest.raises(DefinitionError, match=r"Api\(keys=\.\.\.\)") as caught:
        Api(keys=keys)
    assert "hunter2" not in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("path", ["api", "", "/api/"])
def test_a_path_begins_with_a_slash(path: str) -> None:
    with pytest.raises(DefinitionError, match=r"Api\(path=\.\.\.\)"):
        Api(keys={"a": KEY}, path=path)


def test_wrong_options_are_refused() -> None:
    wrong: Any = "yes"
    with pytest.raises(DefinitionError, match="max_body"):
        Api(keys={"a": KEY}, max_body=0)
    with pytest.raises(DefinitionError, match="rate"):
        Api(keys={"a": KEY}, rate="often")
    with pytest.raises(DefinitionError, match="api"):
        Endpoint(sockets={}, api=wrong)
