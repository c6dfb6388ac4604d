from __future__ import annotations

from pathlib import Path

import pytest

from bennu.bus.nats.address import NATSAddress, NATSPlace
from bennu.errors import DefinitionError


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nats://one", [NATSPlace("one", 4222)]),
        ("NATS://one:1/", [NATSPlace("one", 1)]),
        (
            "nats://one:1,two:2,three",
            [NATSPlace("one", 1), NATSPlace("two", 2), NATSPlace("three", 4222)],
        ),
        ("nats://[::1]:1,[fe80::2]", [NATSPlace("::1", 1), NATSPlace("fe80::2", 4222)]),
    ],
)
def test_servers(text: str, servers: list[NATSPlace]) -> None:
    assert list(NATSAddress.parse(text).servers) == servers


def test_a_user_with_a_password() -> None:
    address = NATSAddress.parse("nats://chat:p%40ss%3Aword@one:1,two:2")
    assert (address.user, address.password, address.token) == ("chat", "p@ss:word", None)
    assert address.shown == "nats://one:1,two:2"


def test_a_token() -> None:
    address = NATSAddress.parse("nats://s3cr%2Ft@one")
    assert (address.user, address.password, address.token) == (None, None, "s3cr/t")


def test_options() -> None:
    address = NATSAddress.parse(
        "tls://one?ca=/ca.pem&cert=/c.pem&key=/k.pem&prefix=a.b&tls_first=1"
    )
    assert address.files == {"ca": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"}
    assert (address.prefix, address.tls, address.tls_first) == ("a.b", True, True)


def test_defaults() -> None:
    address = NATSAddress.parse("nats://one")
    assert (address.prefix, address.tls, address.tls_first) == ("bennu", False, False)
    assert address.files == {}
    assert NATSAddress.parse("tls://one").tls
    assert NATSAddress.parse("nats://one?tls_first=1").tls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nats://", "hosts"),
        ("nats://one,", "hosts"),
        ("nats://one:0", "hosts"),
        ("nats://one:65536", "hosts"),
        ("nats://one:123456", "hosts"),
        ("nats://one:x", "hosts"),
        ("nats://::1", "hosts"),
        ("nats://[::1", "hosts"),
        ("nats://one/two", "hosts"),
        ("nats://hidden:hidden@one,hidden:hidden@two", "%40"),
        ("nats://chat:hid?den@one", "hosts"),
        ("nats://chat:hidden", "hosts"),
        ("nats://one?hidden=1", "creds="),
        ("nats://one?creds=", "creds="),
        ("nats://one?prefix=a b", "prefix="),
        ("nats://one?tls_first=yes", "tls_first=1"),
        ("nats://one?cert=/hidden", "together"),
        ("nats://hidden@one?creds=/hidden", "one of"),
        ("nats://one?nkey=/hidden&creds=/hidden", "one of"),
    ],
)
def test_a_mistake_is_explained_without_secrets(text: str, expected: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        NATSAddress.parse(text)
    assert expected in caught.value.expected
    shown = str(caught.value).replace("(hidden, because", "")
    assert "hid" not in shown


@pytest.mark.parametrize("text", ["nats://chat:hidden@one", "nats://hidden@one"])
def test_an_address_does_not_show_its_secrets(text: str) -> None:
    assert repr(NATSAddress.parse(text)) == "NATSAddress('nats://one')"


def test_a_certificate_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="certificates in the files"):
        NATSAddress.parse(f"tls://one?ca={tmp_path}/none.pem").ssl_context()
