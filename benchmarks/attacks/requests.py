"""HTTP before any WebSocket: addresses, hosts, heads, bodies, upgrades and TLS."""

import time

from .attack import Battle, attack
from .client import PING, UPGRADE, Client, frame

__all__: list[str] = []

SOCKET = "/socket/websocket?vsn=2.0.0"


def trickle(battle: Battle, clients: int, first: bytes, piece: bytes) -> None:
    """Open connections, and send a piece on each from time to time. Replace connections that the server closes."""
    opened: list[Client] = []
    while battle.is_on:
        while len(opened) < clients:
            opened.append(client := battle.connect())
            battle.try_to(lambda: client.send(first))  # noqa: B023 - called at once
        for client in list(opened):
            try:
                client.send(piece)
            except OSError:
                opened.remove(client)
                client.close()
                battle.seen["times closed"] += 1
        battle.wait(0.2)


@attack(
    "`trusted_proxies=` is empty: no forwarded address counts", memory=20, at_most={"accepted": 100}
)
def forged_forwarding(battle: Battle) -> None:
    """300 connections, each with a different `X-Forwarded-For`."""
    for number in range(300):
        client = battle.connect()
        address = f"10.1.{number // 250}.{number % 250}"
        status = client.upgrade(
            SOCKET, [f"X-Forwarded-For: {address}", f"Forwarded: for={address}"]
        )
        battle.seen["accepted"] += status == 101
    battle.wait()


@attack("`Endpoint(hosts=[...])`", at_most={"accepted": 0})
def rebinding(battle: Battle) -> None:
    """Upgrades, polls and pages with the Host and Origin of the attacker's page."""
    for host in ("evil.example:4000", "127.0.0.1.evil.example", "localhost.evil.example"):
        client = battle.connect()
        battle.seen["accepted"] += (
            client.upgrade(SOCKET, [f"Origin: http://{host}"], host=host) == 101
        )
        client = battle.connect()
        poll = client.head("/socket/longpoll?vsn=2.0.0", ["Connection: close"], host=host)
        battle.seen["accepted"] += b"token" in client.ask(poll + b"\r\n")
    battle.wait()


@attack(
    "an upgrade behind an unfinished response is refused, and its connection closed",
    memory=20,
    app="mounted",
    at_most={"still under way": 0},
)
def pipelined_upgrades(battle: Battle) -> None:
    """20 downloads of 260 MB that the client does not read, each with an upgrade right behind it."""
    for _ in range(20):
        client = battle.connect(buffer=4_096)
        request = client.head("/download") + b"\r\n" + client.head(SOCKET)
        client.send(request + UPGRADE.encode() + b"\r\n" + frame(PING, b"") * 100)
    battle.wait(battle.end - time.monotonic() - 1.5)
    battle.forget()
    battle.wait(1)
    client = Client(battle.port)
    under_way = client.ask(client.head("/downloads", ["Connection: close"]) + b"\r\n")
    battle.seen["still under way"] = int(under_way)


@attack("512 KB of waiting requests per connection", memory=20)
def pipelined_requests(battle: Battle) -> None:
    """5 connections that send requests without end, and don't read the answers."""
    clients = [battle.connect(buffer=4_096) for _ in range(5)]
    data = (clients[0].head("/health/ready") + b"\r\n") * 500
    while battle.is_on and clients:
        for client in list(clients):
            client.socket.settimeout(0.1)
            try:
                client.send(data)
            except TimeoutError:
                continue
            except OSError:
                clients.remove(client)
    battle.wait()


@attack(
    "`bennu run --handshake-timeout 10`", memory=20, seconds=6, options=("--handshake-timeout", "2")
)
def trickled_heads(battle: Battle) -> None:
    """200 heads that arrive one byte at a time."""
    trickle(battle, 200, b"GET /socket/websocket HTTP/1.1\r\nX-Slow: ", b"a")


@attack("`bennu run --body-timeout 30`", memory=20, seconds=6, options=("--body-timeout", "2"))
def trickled_bodies(battle: Battle) -> None:
    """200 bodies that arrive one byte at a time."""
    head = b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
    trickle(battle, 200, head, b"a")


@attack("`bennu run --handshake-bytes 65536`", memory=20)
def endless_heads(battle: Battle) -> None:
    """Heads and trailers of 60 MB."""
    firsts = [
        b"GET / HTTP/1.1\r\nX: ",
        b"GET /",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;",
    ]
    number = 0
    while battle.is_on:
        client = battle.connect()
        battle.try_to(lambda: client.send(firsts[number % len(firsts)]))  # noqa: B023 - called at once
        battle.try_to(lambda: client.pour(b"a" * (1 << 18), battle.end))  # noqa: B023
        battle.forget()
        number += 1


@attack("`bennu run --handshake-timeout 10`", memory=40, seconds=6, tls=True)
def stalled_tls(battle: Battle) -> None:
    """300 connections that begin a TLS handshake, and then send nothing."""
    hello = bytes.fromhex("16030100c8010000c40303")
    for number in range(300):
        client = battle.connect()
        client.send(hello[: number % len(hello)])
    battle.wait()


@attack("`bennu run --handshake-timeout 10`", memory=40, tls=True)
def broken_tls(battle: Battle) -> None:
    """Plain HTTP to a port that speaks TLS."""
    while battle.is_on:
        client = Client(battle.port)
        battle.try_to(lambda: client.send(b"GET / HTTP/1.1\r\n\r\n"))  # noqa: B023 - called at once
        battle.try_to(client.status)
        client.close()
        battle.seen["connects"] += 1
