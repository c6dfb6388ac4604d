from __future__ import annotations

import pytest

from bennu.errors import DefinitionError, EncodeError
from bennu.store.nats.names import JetStreamNames, read_options


def test_an_address_has_options_of_the_store() -> None:
    read = read_options("nats://u:p@one:1,two?size=7&replicas=3&on_restart=trust&prefix=a.b")
    assert (read.size, read.replicas, read.trusts) == (7, 3, True)
    assert (read.address.prefix, len(read.address.servers)) == ("a.b", 2)
    plain = read_options("tls://one")
    assert (plain.size, plain.replicas, plain.trusts) == (1000, 1, False)


@pytest.mark.parametrize(
    "query",
    ["size=0", "size=100001", "size=x", "replicas=2", "on_restart=hope", "unknown=1", "prefix=*"],
)
def test_a_wrong_option_is_refused_without_the_password(query: str) -> None:
    with pytest.raises(DefinitionError, match="store") as caught:
        read_options(f"nats://user:secret@one?{query}")
    assert "secret" not in str(caught.value)


def test_names_of_topics_and_keys_are_different() -> None:
    names = JetStreamNames("a.b")
    found = [one("room:*") for one in (names.log, names.marker, names.key)]
    assert len({*found, names.logs, names.keys, names.beat}) == 6
    assert all(one.startswith("a.b.") and "*" not in one for one in found)
    assert names.of_topic("room:*") == "room:*"
    with pytest.raises(EncodeError):
        names.log("x" * 65_536)
