"""Long polling: bodies, polls and sessions."""

import json
import time

from .attack import Battle, attack
from .client import Client

__all__: list[str] = []

PATH = "/socket/longpoll?vsn=2.0.0"
WINDOW = 10
BODY = 8  # megabytes: the default of LongPoll(max_body=)


def session(battle: Battle) -> str:
    """Open a session, and return its token."""
    client = Client(battle.port)
    answer = json.loads(client.ask(client.head(PATH, ["Connection: close"]) + b"\r\n"))
    token: str = answer["token"]
    return token


def with_token(token: str) -> str:
    """Return the header that names a session."""
    return f"x-phoenix-longpoll-token: {token}"


def post(client: Client, token: str, size: int | None, body: bytes) -> bytes:
    """Return a POST. Its body can be shorter than its stated size."""
    kind = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    headers = [with_token(token), kind, "Content-Type: application/x-ndjson"]
    return client.head(PATH, headers, method="POST") + b"\r\n" + body


@attack(
    "`LongPoll(max_posts=8, max_bodies=64_000_000, body_timeout=30)`", memory=8 * BODY, seconds=6
)
def unfinished_posts(battle: Battle) -> None:
    """60 POSTs of one session, each with 7.9 of 8 MB."""
    token = session(battle)
    for _ in range(60):
        client = battle.connect()
        request = post(client, token, 7_999_999, b"x" * 7_900_000)
        client.socket.settimeout(1)
        battle.try_to(lambda: client.send(request))  # noqa: B023 - called at once
    battle.wait()


@attack(
    "`LongPoll(max_posts=8, max_bodies=64_000_000, body_timeout=30)`", memory=8 * BODY, seconds=6
)
def unfinished_chunks(battle: Battle) -> None:
    """60 chunked POSTs that never end, with extensions and trailers."""
    token = session(battle)
    chunk = b"10000;" + b"e" * 1_000 + b"\r\n" + b"x" * 65_536 + b"\r\n"
    for _ in range(60):
        client = battle.connect()
        request = post(client, token, None, chunk * 100)
        client.socket.settimeout(1)
        battle.try_to(lambda: client.send(request))  # noqa: B023 - called at once
    battle.wait()


@attack(
    "`LongPoll(max_bodies=64_000_000)`, `bennu run --body-timeout 30`", memory=8 * BODY, seconds=6
)
def posts_without_session(battle: Battle) -> None:
    """60 POSTs of 7 MB without a session, half of them to an unknown path."""
    for number in range(60):
        client = battle.connect()
        path = PATH if number % 2 else "/nowhere"
        head = client.head(path, ["Content-Length: 8000000"], method="POST")
        client.socket.settimeout(0.2)
        battle.try_to(lambda: client.send(head + b"\r\n" + b"x" * 7_000_000))  # noqa: B023
    battle.wait()


@attack("`LongPoll(max_polls=4)`", memory=10)
def many_polls(battle: Battle) -> None:
    """800 polls of one session at once."""
    token = session(battle)
    for _ in range(800):
        client = battle.connect()
        client.send(client.head(PATH, [with_token(token)]) + b"\r\n")
    battle.wait()


@attack(
    "`LongPoll(max_sessions_per_ip=1000)`, `Limits(connections_per_ip=100)`",
    memory=10,
    seconds=6,
    at_most={"sessions": 100},
)
def many_sessions(battle: Battle) -> None:
    """Opens as many sessions as one address can get."""
    while battle.is_on and battle.seen["requests"] < 3_000:
        client = Client(battle.port)
        answer = client.ask(client.head(PATH, ["Connection: close"]) + b"\r\n")
        battle.seen["requests"] += 1
        battle.seen["sessions"] += b'"token"' in answer
    battle.wait()


@attack("100 messages in a POST, `LongPoll(max_body=8_000_000)`", memory=3 * BODY)
def posts_of_many_messages(battle: Battle) -> None:
    """POSTs with 8 MB of heartbeats, of which the server handles 100."""
    token = session(battle)
    rows = b"\n".join([b'[null,"1","phoenix","heartbeat",{}]'] * 200_000)[:7_999_990]
    while battle.is_on:
        client = battle.connect()
        client.send(post(client, token, len(rows), rows))
        battle.seen[f"status {client.status()}"] += 1
        battle.forget()


@attack(
    "`LongPoll(max_buffer=2_000_000)` × 20 sessions; each session ends after 3 windows",
    memory=40 + BODY,
    back=3 * WINDOW,
)
def sessions_that_are_not_polled(battle: Battle) -> None:
    """20 sessions that ask for echoes, and never poll."""
    tokens = [session(battle) for _ in range(20)]
    echo = b'["1","2","room:1","echo","%s"]' % (b"x" * 100_000)
    rows = b'["1","1","room:1","phx_join",{}]\n' + b"\n".join([echo] * 20)
    while battle.is_on:
        for token in tokens:
            client = battle.connect()
            battle.try_to(lambda: client.send(post(client, token, len(rows), rows)))  # noqa: B023
            battle.try_to(client.status)
            battle.forget()


@attack("`LongPoll(max_buffer=2_000_000)`", memory=40)
def polls_that_are_not_read(battle: Battle) -> None:
    """20 sessions that poll for echoes of 1 MB, and don't read the answer."""
    echo = b'["1","2","room:1","echo","%s"]' % (b"x" * 1_000_000)
    rows = b'["1","1","room:1","phx_join",{}]\n' + echo
    for _ in range(20):
        token = session(battle)
        client = battle.connect()
        client.send(post(client, token, len(rows), rows))
        client.status()
        reader = battle.connect(buffer=4_096)
        reader.send(reader.head(PATH, [with_token(token)]) + b"\r\n")
    battle.wait()


@attack(
    "an invalid token opens a session; one address can have 100 sessions, and each keeps its head of 64 KB",
    memory=30,
    back=3 * WINDOW,
)
def forged_tokens(battle: Battle) -> None:
    """Polls with invalid tokens of 50 KB."""
    token = "SFMyNTY." + "g" * 50_000 + ".x"
    while battle.is_on:
        client = Client(battle.port)
        client.ask(client.head(PATH, [with_token(token), "Connection: close"]) + b"\r\n")
        battle.seen["requests"] += 1
        time.sleep(0.001)
