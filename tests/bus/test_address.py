"""The adapter that belongs to an address."""

import sys

import pytest

from bennu.bus import IPCAdapter, LocalAdapter
from bennu.bus.address import BUS, KINDS, adapter_for, without_password
from bennu.errors import DefinitionError
from bennu.user_code.options import check_option, optional


def test_an_address_chooses_the_adapter() -> None:
    local, ipc = adapter_for("local://", "web-1"), adapter_for("IPC:///run/chat", "web-2")
    assert isinstance(local, LocalAdapter)
    assert isinstance(ipc, IPCAdapter)
    assert (local.node, ipc.node) == ("web-1", "web-2")


@pytest.mark.parametrize("address", ["", "redis", "kafka://:hunter2@broker", "/run/chat"])
def test_an_unknown_address_is_refused_with_the_known_ones_and_without_its_password(
    address: str,
) -> None:
    with pytest.raises(DefinitionError, match=r"nats://") as caught:
        adapter_for(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["ipc://", "ipc://run/chat"])
def test_a_relative_directory_is_refused(address: str) -> None:
    with pytest.raises(DefinitionError, match="absolute"):
        adapter_for(address)


@pytest.mark.parametrize(
    ("scheme", "package", "extra"),
    [
        ("rediss", "redis", "redis"),
        ("postgresql", "asyncpg", "postgresql"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    scheme: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"bennu.bus{KINDS[scheme].module}"
    for name in list(sys.modules):
        if name == module or name.startswith(f"{module}."):
            monkeypatch.delitem(sys.modules, name)
    for name in [one for one in sys.modules if one.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DefinitionError, match=rf'pip install "bennu\[{extra}\]"') as caught:
        adapter_for(f"{scheme}://me:hunter2@localhost")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ipc:///run/chat", "ipc:///run/chat"),
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("redis://me:a,b/c@d@cache:6379/0?password=e", "redis://***@cache:6379/0?***"),
        ("nats://token@one:4222,token@two:4222", "nats://***@two:4222"),
        ("me:hunter2@cache", "***@cache"),
        ("redis://me:hunter?2@cache", "redis://***"),
        ("redis://me:hunter#2@cache", "redis://***@cache"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_password(address) == shown


def test_an_address_that_is_no_text_is_not_shown() -> None:
    """It can be an object of another library, whose repr has the password."""
    with pytest.raises(DefinitionError, match="an object of bytes") as caught:
        check_option("Endpoint(pubsub=...)", "pubsub", optional(BUS), b"redis://me:hunter2@cache")
    assert "hunter2" not in str(caught.value)
