"""The addresses of stores in Redis, and the names of their keys and channels."""

from __future__ import annotations

import pytest

from bennu.bus.redis.slots import slot_of
from bennu.errors import DefinitionError, EncodeError
from bennu.store.redis.names import StoreNames, read_store_address

TOPICS = ["room:1", "", "}", "{", "{}", "{a}b", "a}b{c", "}{", "ä:日本", " "]


def test_an_address_is_that_of_a_bus_with_one_more_parameter() -> None:
    read, trusts = read_store_address("redis://me:p%26w@cache:6380/2?prefix=chat")
    assert not trusts
    assert (read.prefix, read.options.db, read.options.password) == ("chat", 2, "p&w")
    read, trusts = read_store_address(
        "redis+sentinel://a,b/main?on_restart=trust&password=p%26w&prefix=x"
    )
    assert trusts
    assert (read.prefix, read.service, read.options.password) == ("x", "main", "p&w")
    assert not read_store_address("redis+cluster://a?on_restart=epoch")[1]


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("redis://:hunter2@cache?on_restart=never", r"on_restart=epoch or trust(.|\n)*never"),
        ("redis://:hunter2@cache?prefix=", "1 to 60 bytes without braces"),
        ("redis://:hunter2@cache?prefix=a{b", "1 to 60 bytes without braces"),
        (f"redis://:hunter2@cache?prefix={'x' * 61}", "1 to 60 bytes"),
        ("redis://:hunter2@one,two", "2 independent servers"),
        ("redis://:hunter2@cache?on_restart=trust&wrong=1", "the store (.|\n)*wrong"),
        ("redis://:hunter2?on_restart=trust@cache", "the store "),
        ("redis+cluster://:hunter2@cache/x", "the store "),
    ],
)
def test_a_wrong_address_is_refused_without_its_password(address: str, text: str) -> None:
    with pytest.raises(DefinitionError, match=text) as caught:
        read_store_address(address)
    assert "hunter2" not in str(caught.value)
    assert "the bus" not in str(caught.value)
    assert "pubsub" not in str(caught.value)


def test_all_names_of_a_topic_have_one_slot() -> None:
    names = StoreNames("chat", 0)
    for topic in TOPICS:
        assert len({slot_of(one) for one in [*names.keys(topic), names.of_topic(topic)]}) == 1, (
            topic
        )
    assert names.of_topic("room:1") == "chat:0:{t:room:1}"
    assert names.keys("room:1")[0] == "chat:0:{t:room:1}:m"


def test_no_two_topics_or_keys_have_a_name_in_common() -> None:
    topics = [*TOPICS, "room:1}:m", "room:1}:l", "x}", "x}:m"]
    found: list[str] = []
    for names in (StoreNames("chat", 0), StoreNames("chat", 1), StoreNames("other", 0)):
        for topic in topics:
            found += [*names.keys(topic), names.of_key(topic)]
        found.append(names.beat)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("topic", ["x" * 65_536, "\ud800"])
def test_a_topic_that_can_be_no_key_is_refused(topic: str) -> None:
    with pytest.raises(EncodeError):
        StoreNames("chat", 0).keys(topic)
