"""The connection between the supervisor and a worker."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from bennu.cli.workers.link import ControlLink, Order, OrderKind
from tests.support.until import until

pytestmark = pytest.mark.clock("both loops")


class End:
    """An end, and what it got."""

    def __init__(self, end: socket.socket) -> None:
        self.link = ControlLink(end)
        self.orders: list[Order] = []
        self.listeners: list[socket.socket] = []
        self.is_lost = False

    def start(self) -> None:
        self.link.start(self.take, self.lose)

    def take(self, order: Order, listeners: list[socket.socket]) -> None:
        assert len(listeners) == order.listeners
        self.orders.append(order)
        self.listeners += listeners

    def lose(self) -> None:
        assert not self.is_lost
        self.is_lost = True


@pytest.fixture
def ends() -> Iterator[tuple[End, End]]:
    one, two = (End(end) for end in socket.socketpair())
    yield one, two
    for end in (one, two):
        end.link.close()
        for listener in end.listeners:
            listener.close()


async def test_orders_arrive_in_order_with_their_listeners(ends: tuple[End, End]) -> None:
    one, two = ends
    two.start()
    sent = [
        Order(OrderKind.TAKE, slot=2, listeners=2),
        Order(OrderKind.RETURN, slot=2),
        Order(OrderKind.TAKE, slot=3, listeners=1),
        Order(OrderKind.READY, lines=["/socket  websocket", "ü\n"]),
    ]
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    assert one.link.send(sent[0], made[:2])
    assert one.link.send(sent[1])
    assert one.link.send(sent[2], made[2:])
    assert one.link.send(sent[3])
    await until(lambda: len(two.orders) == 4)
    assert two.orders == sent
    names = [listener.getsockname() for listener in made]
    assert [listener.getsockname() for listener in two.listeners] == names
    assert not any(os.get_inheritable(listener.fileno()) for listener in two.listeners)
    for listener in made:
        listener.close()


async def test_an_order_in_pieces_is_one_order(ends: tuple[End, End]) -> None:
    raw, end = socket.socketpair()
    with raw:
        got = End(end)
        got.start()
        for byte in b'{"kind":"alive"}\n{"kind":"told"}\n':
            raw.send(bytes([byte]))
            await asyncio.sleep(0)
        await until(lambda: len(got.orders) == 2)
    await until(lambda: got.is_lost)
    assert [order.kind for order in got.orders] == [OrderKind.ALIVE, OrderKind.TOLD]


async def test_the_end_of_the_other_process_is_noticed(ends: tuple[End, End]) -> None:
    """What it had sent arrives before. Nothing can be sent any more."""
    one, two = ends
    two.start()
    one.link.send(Order(OrderKind.STOP))
    one.link.close()
    one.link.close()
    await until(lambda: two.is_lost)
    assert [order.kind for order in two.orders] == [OrderKind.STOP]
    assert not two.link.send(Order(OrderKind.ALIVE))
    assert not one.link.send(Order(OrderKind.ALIVE))


async def test_a_process_that_does_not_read_keeps_nobody_waiting(ends: tuple[End, End]) -> None:
    one, _ = ends
    order = Order(OrderKind.READY, lines=["x" * 1000])
    sent = 0
    while one.link.send(order):
        sent += 1
    assert sent > 10


async def test_listeners_that_nobody_took_are_closed() -> None:
    raw, end = socket.socketpair()
    with raw, socket.create_server(("127.0.0.1", 0)) as listener:
        got = End(end)
        got.start()
        socket.send_fds(raw, [b'{"kind":"take"'], [listener.fileno()])  # an order that never ends
        raw.shutdown(socket.SHUT_WR)
        await until(lambda: got.is_lost)
        address = listener.getsockname()
    with socket.create_server(address):  # no other process has it
        pass
