"""Texts that are slow to process: for patterns, for parsers, for hash tables."""

import json
import os
import zlib

from .attack import Battle, attack
from .client import BINARY, TEXT, compressed, frame, join, message

__all__: list[str] = []

JOINED = join("room:1")


@attack("one linear pass; 128 levels", memory=20)
def nested_strings(battle: Battle) -> None:
    """Frames of 64 KB: brackets, then an unfinished string of escaped quotes."""
    battle.flood(frame(TEXT, b"[" * 129 + b'"' + b'\\"' * 32_000))


@attack("one linear pass; 128 levels", memory=20)
def escapes_in_v1(battle: Battle) -> None:
    """Frames of 64 KB for the serializer of version 1: an unfinished string of backslashes and escaped quotes."""
    data = b'{"topic":"' + b"\\\\" * 16_000 + b'\\"' * 16_000
    battle.flood(frame(TEXT, data), path="/socket/websocket?vsn=1.0.0")


@attack("128 levels; `Socket(max_frame_size=10_000_000)`", memory=30)
def deep_nesting(battle: Battle) -> None:
    """Messages of 5 MB of nested brackets."""
    deep = b'["1","1","room:1","echo",' + b"[" * 2_500_000 + b"]" * 2_500_000 + b"]"
    battle.flood(frame(TEXT, deep), first=JOINED)


@attack("128 levels, also before the connect is accepted")
def nested_parameters(battle: Battle) -> None:
    """Queries of 60 KB with nested parameters."""
    pairs = "&".join(f"a{'[b]' * 120}[{number}]=1" for number in range(160))
    battle.request(f"/socket/websocket?vsn=2.0.0&{pairs}")


@attack("`Socket(max_topic_size=1024)`; patterns take linear time")
def topics_of_dashes(battle: Battle) -> None:
    """Joins of topics for a pattern with two parameters in one segment."""
    topics = [b"-" * 50_000 + b":", b"-" * 1_000 + b":"]
    rows = [frame(TEXT, b'["1","1","pair:%s","phx_join",{}]' % topic) for topic in topics]
    battle.flood(rows[0] + rows[1] * 50)


@attack("patterns take linear time", memory=20)
def texts_like_errors(battle: Battle) -> None:
    """Payloads of 64 KB that look like the path in an error, for a handler that takes one of two words."""
    text = json.dumps(" - at `$" * 8_000).encode()
    battle.flood(frame(TEXT, b'["1","2","room:1","one_of",%s]' % text), first=JOINED)


@attack("with more than 500 values, integer keys over 64 bits are refused", memory=20)
def colliding_integers(battle: Battle) -> None:
    """Objects with 20,000 integer keys that have the same hash."""
    step = (1 << 61) - 1
    payload = {str(number * step): 0 for number in range(1, 4)} | {
        str(step - 1 + number * (1 << 20)): 0 for number in range(20_000)
    }
    del payload[str(step * 3)]
    battle.flood(message("1", "2", "room:1", "numbers", payload), first=JOINED)


@attack("`Socket(max_frame_size=10_000_000)`, in linear time", memory=40)
def huge_numbers(battle: Battle) -> None:
    """Numbers of 100,000 digits, and 1e999999, in payloads, refs and parameters."""
    digits, rows = b"9" * 100_000, []
    for number in (digits, b"-" + digits, b"1e999999", b"0." + digits, b"1e-" + b"9" * 5_000):
        rows.append(frame(TEXT, b'["1","2","room:1","echo",{"a":%s}]' % number))
        rows.append(frame(TEXT, b'["1","2","room:1","numbers",{"%s":%s}]' % (number, number)))
    battle.flood(b"".join(rows), first=JOINED)


@attack("`Socket(max_ref_size=128)`: null, an integer of 64 bits, or text")
def huge_refs(battle: Battle) -> None:
    """Refs that are numbers of 4,000 digits."""
    ref = b"9" * 4_000
    battle.flood(frame(TEXT, b'[%s,%s,"room:1","phx_join",{}]' % (ref, ref)) * 20)


@attack("`Socket(max_values=50_000)`", memory=40)
def one_key_again(battle: Battle) -> None:
    """Objects that repeat one key 49,000 times, with surrogates and NULs."""
    payload = b"{" + b",".join([b'"\\u0000a":"\\ud83d\\ude00"'] * 49_000) + b"}"
    battle.flood(frame(TEXT, b'["1","2","room:1","echo",%s]' % payload), first=JOINED)


@attack("an error reply to that message")
def half_an_emoji(battle: Battle) -> None:
    """Messages that end in half an emoji; the connection must stay open, or stock clients reconnect at once."""
    broken = frame(TEXT, b'["1","2","room:1","echo",{"a":"\\ud83d"}]')
    client = battle.open()
    client.send(JOINED)
    client.reply()
    while battle.is_on:
        client.send(broken)
        battle.seen["replies"] += client.reply()["status"] in ("ok", "error")
        battle.wait(0.01)


@attack("`Socket(max_frame_size=10_000_000)` for inflated bytes", memory=40)
def deflate_bombs(battle: Battle) -> None:
    """Compressed messages of 10 KB that inflate to 9.9 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = b'["1","2","room:1","none","' + b"x" * 9_900_000 + b'"]'
    data = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
    offer = ["Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"]
    battle.flood(compressed(data[:-4]), headers=offer)


@attack("16 last blocks, then close 1007")
def empty_deflate_blocks(battle: Battle) -> None:
    """Compressed messages that consist of empty blocks."""
    offer = ["Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"]
    battle.flood(compressed(b"\x00\x00\x00\xff\xff" * 12_000) * 4, headers=offer)


@attack("a binary frame has 5 lengths and 4 texts of at most 255 bytes")
def broken_binaries(battle: Battle) -> None:
    """Binary messages with wrong lengths, most of them random."""
    rows = [frame(BINARY, bytes((0, 255, 255, 255, 255)) + os.urandom(300)) for _ in range(100)]
    rows += [frame(BINARY, bytes((0, 1, 1, 6, 4)) + b"11room:1echo" + bytes(60_000))] * 10
    battle.flood(b"".join(rows), first=JOINED)


@attack("`bennu run --handshake-bytes 65536`; each header is read once")
def long_headers(battle: Battle) -> None:
    """Upgrades with 60 KB of subprotocols, extensions, cookies or origins."""
    headers = [
        "Sec-WebSocket-Protocol: " + ",".join(f"p{n}" for n in range(9_000)),
        "Sec-WebSocket-Extensions: "
        + ",".join(f"permessage-deflate; client_max_window_bits={n}" for n in range(1_200)),
        "Cookie: " + "; ".join(f"c{n}={n}" for n in range(5_000)),
        "Origin: http://" + "a." * 29_000 + "com",
        "X-Forwarded-For: " + ", ".join(["10.0.0.1"] * 5_500),
    ]
    number = 0
    while battle.is_on:
        client = battle.connect()
        battle.try_to(lambda: client.upgrade(headers=[headers[number % len(headers)]]))  # noqa: B023 - called at once
        battle.seen["requests"] += 1
        battle.forget()
        number += 1
