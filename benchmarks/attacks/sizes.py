"""Large data that the server might keep."""

from .attack import Battle, attack
from .client import BINARY, CONTINUATION, TEXT, frame, join, message

__all__: list[str] = []

MB = 1_000_000
FRAME = 10  # megabytes: the default of max_frame_size
UNHANDLED = 17  # megabytes: the default of max_unhandled
V1 = "/socket/websocket?vsn=1.0.0"


def slow_inbox(battle: Battle, data: bytes) -> None:
    """Join, make a handler sleep, and fill the inbox of its channel."""
    client = battle.open()
    client.send(join("room:1"))
    client.reply()
    client.send(message("1", "2", "room:1", "slow"))
    battle.try_to(lambda: client.pour(data, battle.end))
    battle.wait()


@attack("`Socket(max_topic_size=1024)`", memory=4 * FRAME)
def long_topics(battle: Battle) -> None:
    """Joins of 20 topics of 9 MB."""
    client = battle.open()
    for number in range(20):
        topic = f"room:{number}".encode() + b"x" * 9 * MB
        row = frame(TEXT, b'["1","1","%s","phx_join",{}]' % topic)
        battle.try_to(lambda: client.send(row))  # noqa: B023 - called at once
    battle.wait()


@attack("`Socket(max_topic_size=1024)`", memory=4 * FRAME)
def long_topics_of_v1(battle: Battle) -> None:
    """Joins in version 1 with a topic, a ref and an event of 3 MB each."""
    client = battle.open(V1)
    for number in range(20):
        long = b"x" * 3 * MB
        row = b'{"topic":"room:%d%s","event":"%s","payload":{},"ref":"%s"}' % (number, *(long,) * 3)
        battle.try_to(lambda: client.send(frame(TEXT, row)))  # noqa: B023 - called at once
    battle.wait()


@attack("`Socket(max_ref_size=128)`: null, an integer of 64 bits, or text", memory=4 * FRAME)
def structured_refs(battle: Battle) -> None:
    """Joins whose join_ref is an array of a million arrays."""
    client = battle.open()
    ref = b"[" + b",".join([b"[]"] * MB) + b"]"
    for number in range(4):
        row = frame(TEXT, b'[%s,"1","room:%d","phx_join",{}]' % (ref, number))
        battle.try_to(lambda: client.send(row))  # noqa: B023 - called at once
    battle.wait()


@attack(
    "`Socket(max_unhandled=16_777_216)` over all channels of a connection; beyond it the server does not read from the connection",
    memory=UNHANDLED + 4 * FRAME,
)
def large_inbox(battle: Battle) -> None:
    """Messages of 9 MB to a channel whose handler waits."""
    slow_inbox(battle, frame(TEXT, b'["1",null,"room:1","echo",{"a":"%s"}]' % (b"x" * 9 * MB)))


@attack(
    "`Socket(max_unhandled=16_777_216)` over all channels of a connection; beyond it the server does not read from the connection",
    memory=UNHANDLED + 4 * FRAME,
)
def large_binary_inbox(battle: Battle) -> None:
    """Binary messages of 9 MB to a channel whose handler waits."""
    slow_inbox(battle, frame(BINARY, bytes((0, 1, 1, 6, 4)) + b"13room:1echo" + bytes(9 * MB)))


@attack("`Socket(max_ref_size=128)`", memory=UNHANDLED + 4 * FRAME)
def inbox_of_refs(battle: Battle) -> None:
    """Messages whose ref is an array of 300,000 arrays, to a channel whose handler waits."""
    ref = b"[" + b",".join([b"[]"] * 300_000) + b"]"
    slow_inbox(battle, frame(TEXT, b'["1",%s,"room:1","echo",{}]' % ref))


@attack(
    "`Socket(max_unhandled=16_777_216)` over all channels of a connection; beyond it the server does not read from the connection",
    memory=UNHANDLED + 4 * FRAME,
)
def a_hundred_inboxes(battle: Battle) -> None:
    """Messages of 100 KB to 100 channels of one connection, whose handlers wait."""
    client = battle.open()
    for number in range(100):
        client.send(join(f"room:{number}"))
        client.reply()
        client.send(message("1", "2", f"room:{number}", "slow"))
    filling = b"x" * 100_000
    rows = [
        frame(TEXT, b'["1","3","room:%d","echo","%s"]' % (number, filling)) for number in range(100)
    ]
    battle.try_to(lambda: client.pour(b"".join(rows), battle.end))
    battle.wait()


@attack("`Socket(max_frame_size=10_000_000)` × 20 connections", memory=20 * FRAME)
def unfinished_messages(battle: Battle) -> None:
    """20 connections, each with an unfinished message of 9.9 MB."""
    start = frame(TEXT, b"x" * 9 * MB, final=False) + frame(CONTINUATION, bytes(MB))[: MB // 2]
    for _ in range(20):
        client = battle.open()
        battle.try_to(lambda: client.send(start))  # noqa: B023 - called at once
    battle.wait()


@attack(
    "a bounded number of frames per turn, and `Socket(max_frame_size=10_000_000)`", memory=4 * FRAME
)
def tiny_fragments(battle: Battle) -> None:
    """A message in fragments of one byte."""
    battle.flood(
        frame(CONTINUATION, b"x", final=False) * 5_000, first=frame(TEXT, b'["', final=False)
    )


@attack("64 KB per connection before the connect is accepted", memory=10)
def early_bytes(battle: Battle) -> None:
    """50 upgrades with 1.2 MB of frames behind them, sent before the answer."""
    frames = frame(TEXT, b"x" * 60_000) * 20
    for _ in range(50):
        client = battle.connect()
        head = client.head(
            "/socket/websocket?vsn=2.0.0", ["Connection: Upgrade", "Upgrade: websocket"]
        )
        client.socket.settimeout(0.2)
        battle.try_to(lambda: client.send(head + b"Sec-WebSocket-Version: 13\r\n\r\n" + frames))  # noqa: B023
    battle.wait()


@attack("`Socket(max_unsent=1_048_576)`, then close 1013", memory=50 + FRAME)
def readers_of_nothing(battle: Battle) -> None:
    """20 clients that get broadcasts of 2 MB, and read nothing."""
    for _ in range(20):
        client = battle.open(buffer=4_096)
        client.send(join("room:all"))
    speaker = battle.open()
    speaker.send(join("room:all"))
    data = frame(TEXT, b'["1",null,"room:all","say","%s"]' % (b"x" * 2 * MB))
    battle.try_to(lambda: speaker.pour(data, battle.end))
    battle.wait()


@attack("`Socket(max_unsent=1_048_576)`, then close 1013", memory=30 + FRAME)
def echoes_that_nobody_reads(battle: Battle) -> None:
    """10 clients that request echoes of 500 KB, and read nothing."""
    data = frame(TEXT, b'["1","2","room:1","echo","%s"]' % (b"x" * 500_000))
    clients = [battle.open(buffer=4_096) for _ in range(10)]
    for client in clients:
        client.send(join("room:1"))
        client.socket.settimeout(0.2)
    while battle.is_on and clients:
        for client in list(clients):
            try:
                client.send(data)
            except OSError:
                clients.remove(client)
    battle.wait()
