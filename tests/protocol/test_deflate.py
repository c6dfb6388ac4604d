"""permessage-deflate: the negotiation, and the messages that are written after it."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, strategies as st
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)
from websockets.frames import Frame
from websockets.headers import build_extension, parse_extension
from websockets.protocol import CLIENT, Protocol, State
from websockets.typing import ExtensionName

from bennu import DefinitionError, Deflate
from bennu.message import BINARY, TEXT, Opcode
from bennu.protocol.deflate import Agreement, DeflateFraming, negotiate
from bennu.protocol.websocket import frame

from ..support.properties import property_test

PLAIN = "permessage-deflate"
SERVER = f"{PLAIN}; server_no_context_takeover"
NEITHER = f"{SERVER}; client_no_context_takeover"
CHROMIUM = f"{PLAIN}; client_max_window_bits"


def response(*headers: str, **options: Any) -> str | None:
    """Return the response to these headers of a client."""
    agreement = negotiate(headers, Deflate(**options))
    return None if agreement is None else agreement.response


def agreed(*headers: str, **options: Any) -> Agreement:
    """Return the agreement for these headers of a client."""
    agreement = negotiate(headers, Deflate(**options))
    assert agreement is not None
    return agreement


# Negotiation.


@pytest.mark.parametrize(
    "offer",
    [
        PLAIN,
        CHROMIUM,
        f"{PLAIN}; client_max_window_bits=8",
        f'{PLAIN}; client_max_window_bits="10"',
        f"{PLAIN}; client_no_context_takeover",
        f"{PLAIN}; server_no_context_takeover",
        f"{PLAIN};server_no_context_takeover;client_no_context_takeover;client_max_window_bits=15",
    ],
)
def test_neither_end_refers_back_by_default(offer: str) -> None:
    """For any offer: no window is kept for an idle connection, and broadcasts are shared."""
    assert response(offer) == NEITHER
    assert agreed(offer).client_window is None
    assert agreed(offer).server_window == 15


@pytest.mark.parametrize(
    ("offered", "window"),
    [(15, 15), (14, 12), (13, 12), (12, 12), (11, 9), (10, 9), (9, 9)],
)
def test_our_window_is_no_larger_than_asked_for(offered: int, window: int) -> None:
    """The window is one of three, so a broadcast is compressed at most three times."""
    agreement = agreed(f"{PLAIN}; server_max_window_bits={offered}")
    assert agreement.server_window == window
    assert agreement.response == (
        f"{SERVER}; server_max_window_bits={window}; client_no_context_takeover"
    )


@pytest.mark.parametrize(
    ("offer", "bits", "window", "parameters"),
    [
        (PLAIN, 15, 15, ""),
        (PLAIN, 12, None, "; client_no_context_takeover"),
        (CHROMIUM, 15, 15, ""),
        (CHROMIUM, 12, 12, "; client_max_window_bits=12"),
        (f"{PLAIN}; client_max_window_bits=10", 15, 10, "; client_max_window_bits=10"),
        (f"{PLAIN}; client_max_window_bits=10", 9, 9, "; client_max_window_bits=9"),
        (f"{PLAIN}; client_max_window_bits=8", 12, 8, "; client_max_window_bits=8"),
        (f"{CHROMIUM}; client_no_context_takeover", 15, None, "; client_no_context_takeover"),
    ],
)
def test_a_client_may_refer_back_if_the_socket_allows_it(
    offer: str, bits: int, window: int | None, parameters: str
) -> None:
    """The client keeps a window of the socket's size. A client that can't be told this size keeps none."""
    agreement = agreed(offer, client_context=True, client_window_bits=bits)
    assert agreement.client_window == window
    assert agreement.response == SERVER + parameters


@pytest.mark.parametrize(
    "parameters",
    [
        "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits; client_max_window_bits=12",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_max_window_bits",
        "server_max_window_bits=8",  # zlib can't
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=012",
        "server_max_window_bits=+9",
        "server_max_window_bits=ten",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=09",
        "window=12",
        "Server_No_Context_Takeover",
    ],
)
def test_an_offer_that_is_wrong_is_declined_and_the_next_is_looked_at(parameters: str) -> None:
    """RFC 7692, §7.1: an offer with a repeated, unknown or invalid parameter is declined."""
    offer = f"{PLAIN}; {parameters}"
    assert response(offer) is None
    assert response(f"{offer}, {PLAIN}") == NEITHER
    assert response(offer, PLAIN) == NEITHER


@pytest.mark.parametrize(
    "headers", [(), ("",), ("x-webkit-deflate-frame",), (PLAIN, "malformed;"), ("per message",)]
)
def test_without_an_offer_that_can_be_read_nothing_is_agreed_on(headers: tuple[str, ...]) -> None:
    """The client connects without compression."""
    assert response(*headers) is None


@pytest.mark.parametrize(
    "header",
    [
        "a b",
        ";",
        "a;",
        "a; =8",
        "a; b=",
        'a; b="',
        'a; b="8',
        'a; b=""',
        'a; b="x y"',
        "a; b=8 9",
        "ä",
    ],
)
def test_a_malformed_header_is_none_whatever_else_it_offers(header: str) -> None:
    """RFC 6455 allows a quoted value only if its content is a token."""
    assert response(f"{PLAIN}, {header}") is None


@pytest.mark.parametrize(
    "header",
    [
        f" , ,{PLAIN} ,",
        f"\ta ;\tb = 8 ; c,{PLAIN}\t",
        rf'a; b="\8\x", {PLAIN}',
        f"a; b=1; b=2,{PLAIN}",
    ],
)
def test_a_header_may_have_spaces_empty_elements_and_quoted_values(header: str) -> None:
    """The header is a list as in RFC 9110."""
    assert response(header) == NEITHER


def test_other_extensions_are_passed_over() -> None:
    """Offers of other extensions are ignored. The first acceptable offer counts."""
    first = f"{PLAIN}; server_max_window_bits=9"
    assert agreed("bbf-usp-protocol, " + first, PLAIN).server_window == 9


_PARAMETERS = st.sampled_from(
    [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "client_max_window_bits",
        *(f"client_max_window_bits={bits}" for bits in range(8, 16)),
        *(f"server_max_window_bits={bits}" for bits in range(8, 16)),
    ]
)


@property_test
@given(
    st.integers(9, 15) | st.none(),
    st.integers(9, 15) | st.booleans() | st.none(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(9, 15),
)
def test_the_library_as_client_agrees_with_every_answer(
    server_bits: int | None,
    client_bits: int | bool | None,
    server_no_context: bool,
    client_no_context: bool,
    context: bool,
    bits: int,
) -> None:
    """The library as client accepts the response, and reads the server's messages."""
    if client_bits is False:
        client_bits = None
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=server_no_context,
        client_no_context_takeover=client_no_context,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )
    offer = build_extension([(ExtensionName(PLAIN), list(factory.get_request_params()))])
    agreement = negotiate([offer], Deflate(client_context=context, client_window_bits=bits))
    assert agreement is not None
    [(name, parameters)] = parse_extension(agreement.response)
    assert name == PLAIN
    theirs = factory.process_response_params(parameters, [])
    assert theirs.remote_no_context_takeover
    assert theirs.local_no_context_takeover == (agreement.client_window is None)
    assert theirs.remote_max_window_bits >= agreement.server_window
    if agreement.client_window is not None:
        assert theirs.local_max_window_bits <= agreement.client_window


@property_test
@given(st.lists(st.lists(_PARAMETERS, max_size=4), max_size=3))
def test_no_offer_raises(offers: list[list[str]]) -> None:
    """Each offer is declined, or answered with a response that a client accepts."""
    answer = response(", ".join("; ".join([PLAIN, *parameters]) for parameters in offers))
    if answer is not None:
        [(_, parameters)] = parse_extension(answer)
        # A client that has offered everything.
        factory = ClientPerMessageDeflateFactory(client_max_window_bits=True)
        assert factory.process_response_params(parameters, []).remote_no_context_takeover


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"level": 0}, "1 to 9"),
        ({"level": 10}, "1 to 9"),
        ({"min_size": -1}, "0 or more"),
        ({"max_ratio": 0.5}, "1 or more"),
        ({"client_window_bits": 8}, "9 to 15"),
        ({"client_window_bits": 16}, "9 to 15"),
    ],
)
def test_an_option_out_of_its_range_says_what_to_write(
    options: dict[str, Any], expected: str
) -> None:
    """The error at start-up says what to write."""
    with pytest.raises(DefinitionError) as caught:
        Deflate(**options)
    [(name, value)] = options.items()
    assert caught.value.subject == f"Deflate({name}=...)"
    assert (caught.value.expected, caught.value.got) == (expected, repr(value))


# Writing.


def message(size: int) -> bytes:
    """Return JSON of this length or a bit more."""
    rows = [
        {"id": number * 7919 % 1000, "name": f"row {number}"} for number in range(size // 20 + 1)
    ]
    return json.dumps([None, None, "room:1", "rows", {"rows": rows}]).encode()


class Inflater:
    """The library as client, without a window between messages."""

    def __init__(self, window: int) -> None:
        self._protocol = Protocol(CLIENT, state=State.OPEN, max_size=None)
        self._protocol.extensions = [
            PerMessageDeflate(
                remote_no_context_takeover=True,
                local_no_context_takeover=True,
                remote_max_window_bits=window,
                local_max_window_bits=15,
            )
        ]

    def read(self, data: bytes) -> tuple[int, bytes]:
        """Return the one message in these bytes."""
        self._protocol.receive_data(data)
        assert self._protocol.parser_exc is None
        [event] = self._protocol.events_received()
        assert isinstance(event, Frame)
        return event.opcode, bytes(event.data)


def test_all_that_agreed_on_the_same_have_one_framing() -> None:
    """Connections with equal agreements share a framing, also of a socket that is mounted twice."""
    here, there = agreed(PLAIN), agreed(CHROMIUM)
    assert here.framing is there.framing
    assert here.framing is not agreed(f"{PLAIN}; server_max_window_bits=12").framing
    assert here.framing is not agreed(PLAIN, level=1).framing
    assert here.framing is not agreed(PLAIN, min_size=1).framing


@pytest.mark.parametrize("window", [15, 12, 9])
@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_message_can_be_read_by_itself(level: int, window: int, opcode: Opcode) -> None:
    """A client without earlier messages can read each message, with the negotiated window."""
    framing = DeflateFraming(level, 0, window)
    for size in (1, 100, 1000, 5000, 70_000, 200_000):
        data = message(size)
        framed = framing.frame(opcode, data)
        assert Inflater(window).read(framed) == (opcode, data)
        assert len(framed) < len(data)
        assert framed[0] == 0xC0 | opcode
        assert framing.frame(opcode, data) == framed


@property_test
@given(st.lists(st.binary(max_size=400) | st.integers(0, 3000).map(message), max_size=6))
def test_what_is_written_is_what_the_library_reads(contents: list[bytes]) -> None:
    """The library reads any sequence of messages, compressed or not."""
    framing, client = DeflateFraming(6, 0, 9), Inflater(9)
    for data in contents:
        assert client.read(framing.frame(BINARY, data)) == (BINARY, data)


def test_what_is_short_or_would_not_shrink_goes_as_it_is() -> None:
    """The bit is clear in an uncompressed message, as the RFC allows."""
    framing = DeflateFraming(6, 512, 15)
    short, noise = b"a" * 511, os.urandom(2000)
    assert framing.frame(TEXT, short) == frame(TEXT, short)
    assert framing.frame(BINARY, noise) == frame(BINARY, noise)
    assert framing.frame(TEXT, b"a" * 512)[0] == 0xC1
    assert DeflateFraming(6, 0, 15).frame(TEXT, b"") == frame(TEXT, b"")


def test_several_frames_are_joined_to_what_is_written_at_once() -> None:
    """The frames of one turn of the event loop are joined."""
    assert DeflateFraming.join([b"a", b"b"]) == b"ab"


def test_threads_may_share_a_framing() -> None:
    """Endpoints in several threads can have the same options. No thread breaks the messages of another."""
    framing = DeflateFraming(6, 0, 15)
    data = message(100_000)
    expected = framing.frame(TEXT, data)
    wrong: list[bytes] = []

    def write() -> None:
        for _ in range(20):
            framed = framing.frame(TEXT, data)
            if framed != expected:
                wrong.append(framed)

    threads = [Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_compressor_that_is_in_use_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the compressor is in use, another compressor is made, and both are kept."""
    data = message(1000)
    expected = DeflateFraming(6, 0, 15).frame(TEXT, data)
    compressobj = zlib.compressobj
    made: list[Any] = []

    class Busy:
        """A compressor. While the first compressor works, another message is framed."""

        def __init__(self, *args: Any) -> None:
            compressor = compressobj(*args)
            self.flush = compressor.flush
            self._compress: Callable[[bytes], bytes] = compressor.compress
            made.append(self)

        def compress(self, data: bytes) -> bytes:
            if len(made) == 1:
                assert framing.frame(TEXT, data) == expected
            return self._compress(data)

    monkeypatch.setattr(zlib, "compressobj", Busy)
    framing = DeflateFraming(6, 0, 15)
    for _ in range(3):
        assert framing.frame(TEXT, data) == expected
    assert len(made) == 2


def test_a_message_that_would_take_long_is_sent_as_it_is() -> None:
    """To compress ten megabytes would hold the event loop for 300 ms."""
    framing = DeflateFraming(6, 0, 15, max_size=1000)

    assert framing.frame(TEXT, b"x" * 1001) == frame(TEXT, b"x" * 1001)
    assert len(framing.frame(TEXT, b"x" * 1000)) < 100
    agreement = negotiate(["permessage-deflate"], Deflate())
    assert agreement is not None
    assert agreement.framing.frame(TEXT, b"x" * 1_000_001) == frame(TEXT, b"x" * 1_000_001)
    with pytest.raises(DefinitionError, match="max_size"):
        Deflate(max_size=-1)
