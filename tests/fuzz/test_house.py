"""The fuzzed server: programs do what they describe, and mistakes are found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from .house import House, Visitor
from .outcome import outcome_of
from .program import program_of


@pytest.fixture
def house() -> Iterator[House]:
    """A server of the test."""
    house = House(is_mounted=True)
    yield house
    house.close()


def heard(house: House, text: bytes) -> list[bytes]:
    """Run a program; return the messages of each client."""
    received: list[bytes] = []

    async def program(house: House, visitors: list[Visitor]) -> None:
        await program_of(text + b"\n.")(house, visitors)
        received.extend(bytes(visitor.received) for visitor in visitors)

    house.play(program)
    return received


def test_a_client_joins_and_is_echoed(house: House) -> None:
    [received] = heard(house, b'Wvsn=2.0.0\n.\nJroom:1\nMroom:1 echo {"a":1}')
    assert b'["1","1","room:1","phx_reply",{"status":"ok","response":{}}]' in received
    assert b'["1","4","room:1","phx_reply",{"status":"ok","response":{"a":1}}]' in received


def test_where_bytes_are_cut_does_not_matter(house: House) -> None:
    whole = b'Wvsn=2.0.0\n.\nJroom:1\nF\x010[null,"1","phoenix"\nF\x800,"heartbeat",{}]'
    assert heard(house, whole) == heard(house, b"/1\n" + whole)


def test_a_client_polls_with_the_token_that_it_was_given(house: House) -> None:
    [received] = heard(house, b'G\n.\nS["1","1","room:1","phx_join",{}]\n.\nG')
    assert b'\\"phx_reply\\"' in received


def test_clients_hear_each_other_and_a_body_comes_in_chunks(house: House) -> None:
    one, two, three = heard(
        house,
        b"@1\nWvsn=2.0.0\n.\nJroom:1\n.\n@2\nWvsn=2.0.0\n.\nJroom:1\nMroom:1 say 7\n.\n"
        b"@3\nHPOST /take HTTP/1.1|Transfer-Encoding: chunked\nCabc\nCde\nB0||",
    )
    assert b'"said",{"said":7}' in one
    assert b'"said",{"said":7}' in two
    assert three.endswith(b"5")


@pytest.mark.parametrize(
    "text", [b"", b"\n\n", b"?", b"@9\n/\n+\n~\n*", b"E", b"V", b"-\n=\n", b"F"]
)
def test_any_bytes_are_a_program(house: House, text: bytes) -> None:
    heard(house, text)


def test_an_error_in_a_callback_of_the_loop_is_found(house: House) -> None:
    async def program(house: House, _visitors: list[Visitor]) -> None:
        house.loop.call_soon(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        house.play(program)


def test_an_error_in_the_log_is_found_and_a_line_break_too(house: House) -> None:
    async def error(_house: House, _visitors: list[Visitor]) -> None:
        logging.getLogger("bennu").error("so")

    async def forged(_house: House, _visitors: list[Visitor]) -> None:
        logging.getLogger("bennu").info("JOINED room:1\nJOINED room:2")

    with pytest.raises(AssertionError, match="logged: so"):
        house.play(error)
    with pytest.raises(AssertionError, match="not printable"):
        house.play(forged)


def test_what_is_left_behind_is_found(house: House) -> None:
    left: list[asyncio.Task[None]] = []

    async def program(house: House, _visitors: list[Visitor]) -> None:
        left.append(house.loop.create_task(asyncio.sleep(1e6)))

    with pytest.raises(AssertionError, match="left behind"):
        house.play(program)
    left[0].cancel()


class Said:
    """The bytes that a client has received, of a server that sends invalid bytes."""

    has_ended = False

    def __init__(self, frames: bytes) -> None:
        self.received = bytearray(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frames)


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        (b"\x81\x81\0\0\0\0x", "masks"),
        (b"\x83\x00", "begins with 0x83"),
        (b"\xc1\x00", "reserved bits"),
        (b"\x88\x00\x81\x00", "behind the close"),
    ],
)
def test_frames_that_no_server_may_send_are_found(frames: bytes, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        outcome_of([Said(frames)])
    outcome_of([Said(b"\x81\x02[]\x81\x05[")])
