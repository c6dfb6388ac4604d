"""Work that costs the attacker little: small frames, connects, joins, threads."""

import os
import time

from .attack import Battle, attack
from .client import CONTINUATION, PING, PONG, TEXT, Client, compressed, frame, join, message

__all__: list[str] = []

RATED = "/rated/websocket?vsn=2.0.0"
DEFLATE = ["Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"]
STARTED = frame(TEXT, b"[", final=False)
JOINED = join("room:1")


def in_turn(battle: Battle, data: bytes, *, clients: int) -> None:
    """Send the same frames on several connections in turn, and connect again whenever the server closes one."""
    opened: list[Client | None] = [None] * clients
    unsent = [memoryview(data)] * clients
    while battle.is_on:
        for number in range(clients):
            client = opened[number]
            if client is None:
                client = opened[number] = battle.open()
                client.send(JOINED)
                unsent[number] = memoryview(data)
            try:
                sent = client.offer(unsent[number])
            except OSError:
                opened[number] = None
                battle.seen["times closed"] += 1
                continue
            battle.seen["bytes sent"] += sent
            unsent[number] = unsent[number][sent:] or memoryview(data)


@attack("a bounded number of a connection's frames per turn", memory=5)
def empty_fragments(battle: Battle) -> None:
    """Empty fragments, as fast as the server reads."""
    battle.flood(frame(CONTINUATION, b"", final=False) * 5_000, first=STARTED)


@attack("`Rates(bytes=)` counts bytes on the wire", memory=5)
def empty_fragments_at_a_rate(battle: Battle) -> None:
    """Empty fragments to a socket with `Rates`."""
    battle.flood(frame(CONTINUATION, b"", final=False) * 5_000, first=STARTED, path=RATED)


@attack("a bounded number of a connection's frames per turn", memory=5)
def compressed_fragments(battle: Battle) -> None:
    """Empty fragments of a compressed message."""
    first = frame(TEXT, b"\x00", final=False, reserved=4)
    battle.flood(frame(CONTINUATION, b"", final=False) * 5_000, first=first, headers=DEFLATE)


@attack("a bounded number of a connection's frames per turn", memory=5)
def compressed_nothing(battle: Battle) -> None:
    """Compressed messages without content."""
    battle.flood(compressed(b"\x00") * 5_000, headers=DEFLATE)


@attack("a bounded number of a connection's frames per turn", memory=5)
def pings(battle: Battle) -> None:
    """Pings, as fast as the server reads."""
    battle.flood(frame(PING, b"") * 5_000)


@attack("`Rates(messages=, bytes=)` count pings", memory=5)
def pings_at_a_rate(battle: Battle) -> None:
    """Pings to a socket with `Rates`."""
    battle.flood(frame(PING, b"") * 5_000, path=RATED)


@attack("a bounded number of a connection's frames per turn", memory=5)
def pongs(battle: Battle) -> None:
    """Unsolicited pongs of 125 bytes."""
    battle.flood(frame(PONG, bytes(125)) * 2_000)


@attack("a bounded number of a connection's frames per turn", memory=5)
def heartbeats(battle: Battle) -> None:
    """Heartbeats, as fast as the server reads; the server answers each of them."""
    battle.flood(message(None, "1", "phoenix", "heartbeat") * 500)


@attack("each connection has a bounded share of a turn", memory=20)
def pings_of_fifty(battle: Battle) -> None:
    """Pings on 50 connections in turn."""
    data = frame(PING, b"") * 2_000
    clients = [battle.open() for _ in range(50)]
    while battle.is_on and clients:
        for client in list(clients):
            try:
                battle.seen["bytes sent"] += client.pour(data, time.monotonic() + 0.01)
            except OSError:
                clients.remove(client)
                battle.seen["times closed"] += 1


@attack(
    "`Socket(max_channels=100)` counts channels that are ending",
    memory=10,
    at_most={"channels alive": 101},
)
def slow_farewells(battle: Battle) -> None:
    """Joins and leaves of channels whose `terminate` takes 4 s."""
    # At the end one more channel is alive: the one on the connection that asks for the count.
    rows = [
        join(f"farewell:{number}") + message("1", "2", f"farewell:{number}", "phx_leave")
        for number in range(2_000)
    ]
    battle.flood(b"".join(rows))
    client = battle.open()
    client.send(join("farewell:last"))
    client.reply()
    client.send(message("1", "3", "farewell:last", "most"))
    battle.seen["channels alive"] = client.reply()["response"]


@attack("16,384 bytes per message; `Readable(max_held=1000)`", memory=5)
def refused_clients(battle: Battle) -> None:
    """Messages of 100 KB from a refused client that can read the reason."""
    data = frame(TEXT, b'["1","1","room:1","phx_join",{"a":"%s"}]' % (b"x" * 100_000))
    small = message(None, "1", "phoenix", "heartbeat") * 500
    battle.flood(data + small, path="/readable/websocket?vsn=2.0.0&refuse=1")


@attack("connects, handlers and hooks have separate threads, shared fairly", memory=10, seconds=5)
def busy_threads(battle: Battle) -> None:
    """Ten clients that call a plain handler of 0.5 s, in 100 channels each."""
    joins = b"".join(join(f"room:{number}") for number in range(100))
    calls = b"".join(message("1", "2", f"room:{number}", "report") for number in range(100))
    for _ in range(10):
        client = battle.open()
        client.send(joins)
        for _ in range(100):
            client.reply()
        battle.try_to(lambda: client.send(calls * 20))  # noqa: B023 - called at once
    battle.wait()


@attack("messages over 1 MB are not compressed; `Socket(max_frame_size=10_000_000)`", memory=90)
def large_broadcasts(battle: Battle) -> None:
    """Broadcasts of 9 MB to ten clients that use compression."""
    headers = ["Sec-WebSocket-Extensions: permessage-deflate"]
    for _ in range(10):
        client = battle.open(headers=headers)
        client.send(JOINED)
    text = os.urandom(4_500_000).hex().encode()
    battle.flood(frame(TEXT, b'["1",null,"room:1","say","%s"]' % text), first=JOINED)


@attack("`Socket(max_values=50_000)`, `Socket(max_unsent=1_048_576)`", memory=90)
def structured_broadcasts(battle: Battle) -> None:
    """Broadcasts of arrays of 49,000 numbers, close to `max_values`."""
    numbers = b"[" + b",".join(b"%d" % number for number in range(49_000)) + b"]"
    battle.flood(frame(TEXT, b'["1",null,"room:1","say",%s]' % numbers), first=JOINED)


@attack("`Socket(max_values=50_000)`; one large message is handled per turn", memory=60)
def large_echoes(battle: Battle) -> None:
    """Echoes of objects with 48,000 values on two connections; the handler decodes and encodes them."""
    rows = b"{" + b",".join(b'"k%d":[%d,{"a":"b"}]' % (number, number) for number in range(12_000))
    in_turn(battle, frame(TEXT, b'["1","2","room:1","echo",%s}]' % rows), clients=2)


@attack("`Socket(max_frame_size=10_000_000)`; one large message is handled per turn", memory=250)
def long_echoes(battle: Battle) -> None:
    """Echoes of texts of 9 MB on four connections."""
    in_turn(battle, frame(TEXT, b'["1","2","room:1","echo","%s"]' % (b"x" * 9_000_000)), clients=4)


@attack(
    "a bounded number of a connection's frames per turn; a new join of a topic replaces the old one",
    memory=10,
)
def joins_again(battle: Battle) -> None:
    """Joins of one topic without end."""
    battle.flood(JOINED * 500)


@attack("`Limits(connects_per_ip=)`, `Limits(connections_per_ip=100)`", memory=20)
def connects(battle: Battle) -> None:
    """Connects and disconnects, as fast as one thread can."""
    while battle.is_on:
        client = Client(battle.port)
        battle.try_to(client.upgrade)
        client.send(JOINED)
        client.close()
        battle.seen["connects"] += 1


@attack("`Limits(connections_per_ip=100)`", memory=20, at_most={"accepted": 100})
def many_connections(battle: Battle) -> None:
    """1,000 connections from one address."""
    for _ in range(1_000):
        if not battle.is_on:
            break
        battle.seen["accepted"] += battle.connect().upgrade() == 101
    battle.wait()
