"""The listeners of each slot."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from bennu.cli.listeners import CannotListen, open_listeners
from bennu.cli.workers.slots import SlotListeners

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux spreads connections over sockets"
)


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    listeners = open_listeners("127.0.0.1", 0)
    yield listeners
    for listener in listeners:
        listener.close()


def test_each_slot_has_listeners_of_its_own(opened: list[socket.socket]) -> None:
    """They have one address. Connections spread over them."""
    slots = SlotListeners(opened, can_spread=True)
    assert not slots.are_shared
    each = [slots.of(number)[0] for number in (1, 2, 3)]
    assert slots.of(2) == [each[1]]
    address = each[0].getsockname()
    assert all(one.getsockname() == address for one in each)
    for one in each:
        one.listen(1000)
        one.setblocking(False)
    clients = [socket.create_connection(address) for _ in range(300)]
    accepted = [accept_all(one) for one in each]
    assert sum(accepted) == 300
    assert min(accepted) > 50
    for client in clients:
        client.close()
    slots.close()


def accept_all(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_a_second_server_of_the_same_user_is_refused(opened: list[socket.socket]) -> None:
    """The option that lets workers share an address does not let another command in."""
    slots = SlotListeners(opened, can_spread=True)
    for number in (1, 2):
        slots.of(number)[0].listen()
    port = opened[0].getsockname()[1]
    with pytest.raises(CannotListen, match="address already in use"):
        open_listeners("127.0.0.1", port)
    slots.close()


def test_sockets_that_can_not_be_opened_twice_are_shared(opened: list[socket.socket]) -> None:
    slots = SlotListeners(opened, can_spread=False)
    assert slots.are_shared
    assert slots.of(1) == slots.of(2) == opened


def test_a_socket_that_refuses_the_option_is_shared() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        assert SlotListeners([listener], can_spread=True).are_shared


def test_other_systems_share(opened: list[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert SlotListeners(opened, can_spread=True).are_shared
