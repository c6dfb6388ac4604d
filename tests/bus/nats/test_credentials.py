"""How a node says who it is, on real servers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bennu.bus.nats.address import NATSAddress
from bennu.bus.nats.credentials import login
from bennu.errors import DefinitionError

from ...support.brokers.nats import nats_server
from .ends import End, connected
from .keys import NKey

pytestmark = pytest.mark.clock("real")

USER = 'authorization { user: chat, password: "p@ss:word" }'


async def works(address: str) -> None:
    async with connected(address) as end:
        await end.driver.subscribe(["room"])
        await end.driver.publish([("room", b"1")])
        await end.hears(1)


async def is_refused(address: str, *secrets: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        await End(address).connect()
    assert "that the server knows" in caught.value.expected
    assert not any(secret in str(caught.value) for secret in secrets)


async def test_a_user_with_a_password(tmp_path: Path) -> None:
    with nats_server(tmp_path, USER) as server:
        place = server.address.removeprefix("nats://")
        await works(f"nats://chat:p%40ss%3Aword@{place}")
        await is_refused(f"nats://chat:s3cret@{place}", "s3cret", "chat")
        await is_refused(server.address)


async def test_a_token(tmp_path: Path) -> None:
    with nats_server(tmp_path, "authorization { token: t0ken }") as server:
        place = server.address.removeprefix("nats://")
        await works(f"nats://t0ken@{place}")
        await is_refused(f"nats://wr0ng@{place}", "wr0ng")


async def test_an_nkey(tmp_path: Path) -> None:
    key, other = NKey("user"), NKey("user")
    path, wrong = tmp_path / "chat.nk", tmp_path / "other.nk"
    path.write_text(key.seed + "\n")
    wrong.write_text(other.seed)
    with nats_server(tmp_path, f"authorization {{ users: [{{nkey: {key.public}}}] }}") as server:
        await works(f"{server.address}?nkey={path}")
        await is_refused(f"{server.address}?nkey={wrong}", other.seed)


async def test_a_file_of_credentials(tmp_path: Path) -> None:
    operator, account, user = NKey("operator"), NKey("account"), NKey("user")
    limits = {"subs": -1, "conn": -1, "leaf": -1, "data": -1, "payload": -1, "wildcards": True}
    config = [
        f"operator: {operator.issue(operator)}",
        "resolver: MEMORY",
        f"resolver_preload: {{ {account.public}: {operator.issue(account, limits=limits)} }}",
    ]
    user_limits = {"subs": -1, "data": -1, "payload": -1}
    path = tmp_path / "chat.creds"

    def write(issuer: NKey) -> None:
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{issuer.issue(user, **user_limits)}\n"
            "------END NATS USER JWT------\n\n*** IMPORTANT ***\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
        )

    write(account)
    with nats_server(tmp_path, "\n".join(config)) as server:
        address = f"{server.address}?creds={path}"
        await works(address)
        write(NKey("account"))
        await is_refused(address, user.seed)


@pytest.mark.parametrize(
    "content", ["", "SUAXX", "0189", "ä", "an account", "a public key", "a wrong checksum"]
)
@pytest.mark.parametrize("option", ["nkey", "creds"])
def test_a_file_without_credentials(tmp_path: Path, content: str, option: str) -> None:
    seeds = {
        "an account": NKey("account").seed,
        "a public key": NKey("user").public,
        "a wrong checksum": NKey("user").seed[:-7] + NKey("user").seed[-7:],
    }
    content = seeds.get(content, content)
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(DefinitionError, match="the credentials for NATS in") as caught:
        login(NATSAddress.parse(f"nats://one?{option}={path}"), "nonce")
    assert not content or content not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="a file that this process can read"):
        login(NATSAddress.parse(f"nats://one?nkey={tmp_path}/none"), None)


def test_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chat.nk"
    path.write_text(NKey("user").seed)
    monkeypatch.setitem(sys.modules, "nacl.bindings", None)
    with pytest.raises(DefinitionError, match=r"bennu\[nats\]"):
        login(NATSAddress.parse(f"nats://one?nkey={path}"), "nonce")


def test_an_address_without_a_user() -> None:
    assert login(NATSAddress.parse("nats://one"), "nonce") == {}
