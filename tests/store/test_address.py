"""The store that belongs to an address."""

from __future__ import annotations

import sys

import pytest

from bennu.errors import DefinitionError
from bennu.store import MemoryStore
from bennu.store.address import STORE_VARIABLE, given_store, store_for
from bennu.store.redis import RedisStore


def test_an_address_chooses_the_store() -> None:
    assert isinstance(store_for("memory://"), MemoryStore)
    redis = store_for("REDIS://:hunter2@cache:6379?prefix=chat")
    assert isinstance(redis, RedisStore)
    assert redis.name == "redis://cache:6379"


@pytest.mark.parametrize("address", ["", "redis", "kafka://:hunter2@broker", "/run/chat", "memory"])
def test_an_unknown_address_is_refused_with_the_known_ones_and_without_its_password(
    address: str,
) -> None:
    with pytest.raises(DefinitionError, match=r"memory://, redis://") as caught:
        store_for(address)
    assert "hunter2" not in str(caught.value)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("bennu.store.redis", "bennu.bus.redis", "redis"):
        for name in [one for one in sys.modules if one.startswith((package + ".", package))]:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(DefinitionError, match=r'pip install "bennu\[redis\]"') as caught:
        store_for("rediss://me:hunter2@localhost")
    assert "hunter2" not in str(caught.value)


def test_the_store_of_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    assert isinstance(given_store(None), MemoryStore)
    monkeypatch.setenv(STORE_VARIABLE, "redis://one")
    assert given_store(None).name == "redis://one:6379"
    assert given_store("redis://two").name == "redis://two:6379"
    own = MemoryStore()
    assert given_store(own) is own
