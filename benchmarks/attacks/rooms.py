"""Rooms: presences, broadcasts, and joins that are logged."""

from .attack import Battle, attack
from .client import TEXT, frame, join, message

__all__: list[str] = []


def at(number: int, size: int) -> bytes:
    """Return a message that tracks a key of the client's choice."""
    payload = {"key": f"k{number}", "meta": {"text": "y" * size}}
    return message("1", None, "cursors:1", "at", payload)


def crowd(battle: Battle, size: int) -> None:
    """Join some clients that read nothing."""
    for _ in range(size):
        client = battle.open()
        client.send(join("cursors:1"))


@attack(
    "`Presence(max_keys=1_000)`; a diff is encoded once for all clients; `Socket(max_unsent=1_048_576)`",
    memory=60,
)
def presence_keys(battle: Battle) -> None:
    """Tracks 5,000 keys in a room with 30 clients that read nothing."""
    crowd(battle, 30)
    data = b"".join(at(number, 200) for number in range(5_000))
    battle.flood(data, first=join("cursors:1"), once=True)


@attack(
    "`Presence(max_keys=1_000)`, 65,536 bytes a meta; `Socket(max_unsent=1_048_576)`", memory=120
)
def presence_metas(battle: Battle) -> None:
    """Tracks metas of 1 MB, which are refused, and 1,000 metas of 60 KB, in a room with 5 clients that read nothing."""
    crowd(battle, 5)
    data = b"".join(at(number, 1_000_000) for number in range(8))
    data += b"".join(at(number, 60_000) for number in range(1_000))
    battle.flood(data, first=join("cursors:1"), once=True)


@attack("the state is encoded once for all clients that wait for it", memory=60)
def presence_rejoins(battle: Battle) -> None:
    """Joins a room with 1,000 keys again and again."""
    holder = battle.open()
    holder.send(join("cursors:1") + b"".join(at(number, 200) for number in range(1_000)))
    battle.wait(0.5)
    battle.flood(join("cursors:1") * 100)


@attack("a bounded number of a connection's frames per turn", memory=60)
def broadcasts(battle: Battle) -> None:
    """Small broadcasts to 90 clients that read nothing, as fast as the server reads."""
    for _ in range(90):
        battle.open().send(join("room:1"))
    battle.flood(
        message("1", None, "room:1", "say", {"text": "x" * 50}) * 500, first=join("room:1")
    )


@attack("log lines of one kind are counted and not repeated", memory=5, log=2)
def unmatched_joins(battle: Battle) -> None:
    """Joins of unknown topics that contain line breaks."""
    topic = "nope\n" + "x" * 150 + "\x1b[2J"
    battle.flood(message("1", "1", topic, "phx_join") * 500)


@attack("200 characters of a value in the log", memory=30, log=2)
def logged_payloads(battle: Battle) -> None:
    """Joins with payloads of 2 MB of characters that the log escapes."""
    text = "\u0080".encode() * 1_000_000
    row = frame(TEXT, b'["1","1","room:b","phx_join",{"a":"%s"}]' % text)
    battle.flood(row)


@attack("warnings of one kind are counted and not repeated", memory=10, log=2)
def logged_failures(battle: Battle) -> None:
    """Connects with secrets in the query, and then breaks the protocol."""
    query = "authToken=S3CRET&accessToken=S3CRET&x=%0aINFO:%20forged"
    battle.flood(frame(3, b"x"), path=f"/socket/websocket?vsn=2.0.0&{query}")
