"""Hostile bytes, by the million: no exception but the documented one, and no growth of memory."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable

import pytest

from bennu._protocol.websocket import FAILURE, Reader
from bennu.errors import DecodeError
from bennu.message import BINARY, TEXT, Opcode
from bennu.serializers import JSONV1, JSONV2

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SEED = 20_261_122
SEEDS = (
    b'["1","2","room:1","new_msg",{"body":"hi","n":[1,2.5,null,true]}]',
    b'[null,"3","phoenix","heartbeat",{}]',
    b'{"topic":"room:1","event":"phx_join","payload":{},"ref":"1","join_ref":"1"}',
    b"\x00\x01\x02\x06\x04" + b"1" + b"22" + b"room:1" + b"echo" + bytes(range(40)),
    '["1","2","r\u00e4um","\U0001f600",{"a":{"b":[[[[]]]]}}]'.encode(),
)


def mutated(rng: random.Random, seed: bytes) -> bytes:
    """Return a seed with some of its bytes changed, dropped, doubled, or nested deep."""
    data = bytearray(seed)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(8)))
            case 1:
                del data[at : at + rng.randrange(8)]
            case 2:
                data[at:at] = rng.choice((b"[", b"{", b'"', b"\\u", b"\xff", b"\xed\xa0\x80")) * (
                    rng.randrange(300)
                )
            case 3:
                data[at:at] = data[: rng.randrange(16)]
            case _:
                if at < len(data):
                    data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


def grown_by(run: Callable[[int], None], rounds: int) -> int:
    """Return by how many bytes memory grew from the end of one run to the end of the next."""
    run(rounds)
    tracemalloc.start()
    run(rounds // 20)
    before, _ = tracemalloc.get_traced_memory()
    run(rounds // 20)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


@pytest.mark.parametrize("serializer", [JSONV1, JSONV2], ids=["v1", "v2"])
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_a_serializer_raises_nothing_but_decode_errors(serializer: object, opcode: Opcode) -> None:
    """Half a million mutations each."""
    rng = random.Random(SEED)
    decode = serializer.decode  # type: ignore[attr-defined]
    decoded = 0

    def run(rounds: int) -> None:
        nonlocal decoded
        for _ in range(rounds):
            try:
                decode(opcode, mutated(rng, rng.choice(SEEDS)))
            except DecodeError:
                continue
            decoded += 1

    assert grown_by(run, 500_000) < 100_000
    assert decoded > 0


def test_a_reader_survives_any_bytes() -> None:
    """Whatever comes, in whatever pieces, is an event or a failure, and the reader stays small."""
    rng = random.Random(SEED)
    failures = messages = 0

    def run(rounds: int) -> None:
        nonlocal failures, messages
        for _ in range(rounds):
            reader = Reader(10_000)
            mask = rng.randbytes(4)
            content = rng.randbytes(rng.randrange(200))
            header = bytes((rng.choice((0x81, 0x82, 0x01, 0x80, 0x89, 0x88)), 0x80 | len(content)))
            if len(content) > 125:
                header = header[:1] + bytes((0xFE,)) + len(content).to_bytes(2, "big")
            stream = (header + mask + content) * 2
            stream = mutated(rng, stream) if rng.random() < 0.8 else stream
            while stream:
                cut = rng.randrange(1, len(stream) + 1)
                for kind, _ in reader.receive(stream[:cut]):
                    failures += kind is FAILURE
                    messages += kind is not FAILURE
                stream = stream[cut:]

    assert grown_by(run, 300_000) < 100_000
    assert failures > 10_000
    assert messages > 10_000
