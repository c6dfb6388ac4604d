"""The key of a request: where it is, and whose it is."""

from __future__ import annotations

import pytest

from bennu.api.keys import APIKeys, key_of

KEYS = APIKeys({b"one": "billing", b"two": "billing", b"three": "crm"})


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({b"authorization": b"Bearer one"}, b"one"),
        ({b"authorization": b" bearer   one "}, b"one"),
        ({b"authorization": b"Bearer"}, None),
        ({b"authorization": b"Basic one"}, None),
        ({b"x-api-key": b"one"}, b"one"),
        ({b"x-api-key": b" "}, None),
        ({b"x-api-key": b"one", b"authorization": b"Basic of:proxy"}, b"one"),
    ],
)
def test_where_a_key_is(headers: dict[bytes, bytes], key: bytes | None) -> None:
    assert key_of(headers) == key


@pytest.mark.parametrize(
    ("key", "name"),
    [(b"one", "billing"), (b"two", "billing"), (b"three", "crm"), (b"four", None), (b"", None)],
)
def test_whose_a_key_is(key: bytes, name: str | None) -> None:
    assert KEYS.name_of(key) == name


def test_all_keys_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of an answer does not depend on the place of a key in the table."""
    compared: list[bytes] = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return known == given

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert KEYS.name_of(b"one") == "billing"
    assert len(compared) == 3
    assert {len(one) for one in compared} == {32}
