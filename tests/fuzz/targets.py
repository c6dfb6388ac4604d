"""The targets: each function that reads a stranger's bytes, and what must be true of its outcome.

A target takes bytes and returns the outcome in a few words. It can raise the documented exceptions of its function.
Any other exception, also a failed assertion, is a finding.
"""

from __future__ import annotations

import hmac
import json
import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from websockets.headers import parse_extension

from bennu import Deflate
from bennu.auth.jwt import JWTConnect
from bennu.auth.session import StarletteSession
from bennu.connect_info import AUTHORITY, ConnectInfo
from bennu.csrf import matches
from bennu.errors import DecodeError, EncodeError, TokenError
from bennu.message import BINARY, TEXT, Opcode
from bennu.phoenix import PlugSession, etf, signed, token
from bennu.phoenix.signed import to_base64
from bennu.protocol import JSONV1, JSONV2, Serializer, negotiate as negotiate_vsn
from bennu.protocol.deflate import DeflateFraming, negotiate
from bennu.protocol.inflate import InflatingReader
from bennu.protocol.longpoll import FRAMING, MAX_MESSAGES, Status, answer_poll, split_body
from bennu.protocol.origin import Origin, Requested
from bennu.protocol.proxies import TrustedProxies
from bennu.protocol.query import decode_query
from bennu.protocol.upgrade import select_subprotocol, take_auth_token
from bennu.protocol.websocket import CLOSE, FAILURE, PING, PONG, Event, Reader, close_answer

from .house import House
from .program import WORDS as PROGRAM_WORDS, program_of

__all__ = ["CORPUS", "TARGETS", "Target"]

CORPUS: Final = Path(__file__).parent / "corpus"

MAX_SIZE: Final = 3000
MORE: Final = b"\x80\x80\0\0\0\0"
"""An empty last fragment: its outcome shows what the reader waits for."""
SECRET: Final = "for nothing but these tests, and long enough"
NOW: Final = 1_763_800_000.0


@dataclass(frozen=True)
class Target:
    """A function that is fed.

    Attributes:
        name: The name of the target, and of its corpus.
        feed: Takes an input, and returns its outcome.
        documented: The exceptions that it can raise.
        words: Bytes with a meaning for it.
        weight: The number of other targets' inputs that take as long as one input of this target.
    """

    name: str
    feed: Callable[[bytes], Hashable]
    documented: tuple[type[Exception], ...]
    words: Sequence[bytes] = ()
    weight: int = 1

    def corpus(self) -> list[bytes]:
        """Return the inputs in the repository."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).iterdir())]


# Messages.


def _message(serializer: Serializer, opcode: Opcode, data: bytes) -> Hashable:
    """Decode a message. A client can read the answer to any message."""
    if opcode is TEXT:
        data.decode()  # the transport has checked this
    message = serializer.decode(opcode, data)
    answered = [
        serializer.reply(message.join_ref, message.ref, message.topic, "ok", {}),
        serializer.close(message.join_ref, message.topic),
        serializer.error(message.join_ref, message.topic),
    ]
    payload: Any = message.payload
    if isinstance(payload, bytes):
        kind = "bytes"
    else:
        kind = type(json.loads(bytes(payload).decode())).__name__
        answered.append(
            serializer.reply(message.join_ref, message.ref, message.topic, "ok", payload)
        )
    for _, text in answered:
        json.loads(text.decode())
    return kind, *(type(message.__getattribute__(name)).__name__ for name in _FIELDS)


_FIELDS: Final = ("join_ref", "ref", "topic", "event")


def _of(serializer: Serializer, opcode: Opcode) -> Callable[[bytes], Hashable]:
    return lambda data: _message(serializer, opcode, data)


def _post(data: bytes) -> Hashable:
    """Split the body of a POST; the answer of a poll with the same messages is JSON."""
    messages = split_body("application/x-ndjson", data)
    assert len(messages) <= MAX_MESSAGES
    framed = [FRAMING.frame(opcode, one) for opcode, one in messages if opcode is TEXT]
    answer = json.loads(answer_poll(Status.OK, data.decode("latin-1"), FRAMING.join(framed)))
    assert [text.encode() for text in answer["messages"]] == [
        one for opcode, one in messages if opcode is TEXT
    ]
    return frozenset(opcode for opcode, _ in messages), len(messages) > 1


# The whole server.


@lru_cache
def _house(*, is_mounted: bool) -> House:
    """Return the server of a target, which is used for one input after another."""
    return House(is_mounted=is_mounted)


def _server(*, is_mounted: bool) -> Callable[[bytes], Hashable]:
    return lambda data: _house(is_mounted=is_mounted).play(program_of(data))


# Frames.


def _pieces(data: bytes) -> list[bytes]:
    """Cut bytes at positions that depend only on the bytes."""
    step = 1 + zlib.crc32(data) % 61
    return [data[at : at + step] for at in range(0, len(data), step)]


def _read(reader: Reader, chunks: Sequence[bytes]) -> list[Event]:
    return [event for chunk in chunks for event in reader.receive(chunk)]


def _frames(make: Callable[[], Reader]) -> Callable[[bytes], Hashable]:
    """Feed a reader. The cuts make no difference, and each event is valid."""

    def feed(data: bytes) -> Hashable:
        whole, cut = make(), make()
        events = _read(whole, [data])
        assert _read(cut, _pieces(data)) == events
        for number, (kind, content) in enumerate(events, 1):
            if kind is FAILURE:
                code, reason = content
                assert (number, code in (1002, 1007, 1009)) == (len(events), True)
                return "failure", code, reason.translate(_DIGITS), number > 1
            if kind is CLOSE:
                assert number == len(events)
                return "close", close_answer(content)
            assert len(content) <= (125 if kind in (PING, PONG) else MAX_SIZE)
            if kind is TEXT:
                content.decode()
        more = [kind for kind, _ in whole.receive(MORE)]
        return (*more[:1], len(events) > 1, events[0][0] if events else None)

    return feed


_DIGITS: Final = str.maketrans("", "", "0123456789")

_CHROMIUM: Final = "permessage-deflate; client_max_window_bits"


def _inflating(**options: Any) -> Callable[[], Reader]:
    agreement = negotiate([_CHROMIUM], Deflate(**options))
    assert agreement is not None
    return lambda: InflatingReader(MAX_SIZE, agreement)


_COMPRESSING: Final = DeflateFraming(6, 0, 15)


def _compressed_text(data: bytes) -> Hashable:
    """Compress any text; the client reads the same text."""
    framed = _COMPRESSING.frame(BINARY, data)
    if not framed[0] & 0x40:
        return "as it is"
    start = 2 if framed[1] < 126 else 4
    inflated = zlib.decompressobj(-15).decompress(framed[start:] + b"\x00\x00\xff\xff")
    assert inflated == data
    return "compressed", start


# The handshake.


def _extensions(data: bytes) -> Hashable:
    header = data.decode("latin-1")
    outcome = []
    for options in (Deflate(), Deflate(client_context=True, client_window_bits=12)):
        agreement = negotiate([header], options)
        if agreement is not None:
            assert parse_extension(agreement.response)[0][0] == "permessage-deflate"
            assert 9 <= agreement.server_window <= 15
        outcome.append(agreement and agreement.response)
    return tuple(outcome)


def _query(data: bytes) -> Hashable:
    params = decode_query(data)
    json.dumps(params).encode()
    serializer = negotiate_vsn(params.get("vsn", "2.0.0"), (JSONV1, JSONV2))
    return _shape(params), serializer and serializer.name


def _shape(value: Any, depth: int = 2) -> Hashable:
    """Return the rough structure of a value."""
    if isinstance(value, dict) and depth:
        return "dict", frozenset(_shape(one, depth - 1) for one in value.values())
    if isinstance(value, list | tuple) and depth:
        return type(value).__name__, frozenset(_shape(one, depth - 1) for one in value)
    return type(value).__name__


def _headers(data: bytes) -> Hashable:
    """Feed one text to each function that reads a header."""
    text = data.decode("latin-1")
    raw = [(b"host", data), (b"cookie", data), (b"origin", data), (b"x-a", data)]
    info = ConnectInfo({"path": "/", "headers": raw}, transport="websocket")
    origin, requested = Origin.parse(text), Requested.parse("ws", text)
    found = (
        *(origin.scheme in (None, "http", "https"), origin.host is None, origin.port is None),
        *(requested.host is None, requested.port is None),
        *(info.uri.host is None, bool(info.cookies), len(info.x_headers)),
    )
    fits, chosen = select_subprotocol(text, ["phoenix"])
    carried, rest = take_auth_token(text)
    return *found, fits, chosen, carried is None, rest is None


# Tokens.


def _verify(data: bytes) -> Hashable:
    return _shape(token.verify(SECRET, "fuzz", data, now=NOW))


def _decrypt(data: bytes) -> Hashable:
    return _shape(token.decrypt(SECRET, "fuzz", data, now=NOW))


@lru_cache
def _key() -> bytes:
    return signed.derive_key(SECRET.encode(), b"fuzz")


def _payload(data: bytes) -> Hashable:
    """Feed a payload that only an owner of the key can sign."""
    payload = signed.verify(signed.sign(data, _key()), [_key()])
    assert payload == data
    return _shape(signed.read_payload(payload, now_ms=int(NOW * 1000), max_age=None))


def _term(data: bytes) -> Hashable:
    """Decode a term; a term that can be encoded is the same after encoding and decoding."""
    value = etf.decode(data)
    try:
        written = etf.encode(value)
    except EncodeError:
        return "not written", _shape(value)
    assert etf.encode(etf.decode(written)) == written  # a map is encoded in Erlang's order of keys
    assert etf.decode(written) == value
    return _shape(value)


def _jwt(data: bytes) -> Hashable:
    """Feed a JSON Web Token, or, behind a line, claims that only the issuer can sign."""
    head, line, claims = data.partition(b"\n")
    text = data.decode("latin-1")
    if line:
        signed_text = b".".join((to_base64(head), to_base64(claims)))
        mac = to_base64(hmac.digest(_JWT_SECRET, signed_text, "sha256"))
        text = b".".join((signed_text, mac)).decode()
    verified = _JWT.verify(text)
    try:
        verified.send(None)
    except StopIteration as found:
        return _shape(found.value)
    raise AssertionError("to verify by a secret nothing is waited for")


async def _claims(claims: dict[str, Any], _: ConnectInfo) -> dict[str, Any]:
    return claims


_JWT_SECRET: Final = SECRET.encode()
_JWT: Final = JWTConnect(key=SECRET, algorithms=["HS256"], user=_claims, leeway=10**10, require=[])


# Headers of frameworks and proxies.


def _sessions(data: bytes) -> Hashable:
    """Feed a cookie to each function that reads a session."""
    info = ConnectInfo({"path": "/", "headers": [(b"cookie", b"s=" + data)]}, transport="websocket")
    read = [session(info) for session in _SESSIONS]
    return tuple(_shape(one) for one in read)


_SESSIONS: Final = (
    PlugSession(SECRET, key="s", signing_salt="fuzz"),
    PlugSession(SECRET, key="s", signing_salt="fuzz", encryption_salt="fuzz too"),
    StarletteSession(SECRET, cookie="s", max_age=None),
)


def _csrf(data: bytes) -> Hashable:
    """Use one half as the state, and the other half as the token."""
    state, _, given = data.decode("latin-1").partition("\n")
    return matches(state, given), len(state) == 24, len(given) == 56, state.isascii()


def _forwarded(data: bytes) -> Hashable:
    """Use lines as the headers of proxies."""
    names = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")
    headers = [*zip(names, data.split(b"\n"), strict=False), (b"host", b"localhost:4000")]
    found = _PROXIES.read("10.0.0.1", headers)
    assert found is not None
    scope = {"path": "/", "headers": headers, "client": found.client, AUTHORITY: found.authority}
    info = ConnectInfo(scope | {"scheme": found.scheme or "ws"}, transport="websocket")
    assert info.uri.scheme in ("http", "https")
    assert isinstance(info.peer.port, int | None)
    return found.client is None, found.scheme, found.authority is None, frozenset(found.malformed)


_PROXIES: Final = TrustedProxies(["10.0.0.0/8", "::1"])

_JSON: Final = (
    *(
        b'"phx_join"',
        b'"phx_leave"',
        b'"phoenix"',
        b'"heartbeat"',
        b"null",
        b"true",
        b"[[",
        b'{"a":',
    ),
    *(b'"topic":', b'"event":', b'"payload":', b'"ref":', b'"join_ref":', b'"room:1"', b"1.5e3"),
)
_HEADS: Final = (
    *(
        bytes((first, second))
        for first in (0x81, 0x82, 0x01, 0x00, 0x80, 0x89)
        for second in (0x80, 0x85)
    ),
    *(b"\xc1\x87\0\0\0\0", b"\x88\x82\0\0\0\0\x03\xe8", b"\xc1\x89\0\0\0\0", b"\x41\x83\0\0\0\0"),
    *(b"\x82\xfe\x01\x00\0\0\0\0", b"\x81\xff\0\0\0\0\0\0\x01\x00", b"\x0b\xb8", b"\x0b\xb9"),
)
_STREAMS: Final = (
    *(b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"\x03\x00", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
    *(b"\x00\x05\x00\xfa\xffHello", b"\xf2\x00\x11\x00\x00", zlib.compress(bytes(2900), 9)[2:-4]),
)
_PARAMETERS: Final = (
    *(b"permessage-deflate", b"server_no_context_takeover", b"client_no_context_takeover"),
    *(b"server_max_window_bits=", b"client_max_window_bits", b'"10"', b"; ", b", ", b"15", b"8"),
)
_TERMS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        *(
            "83",
            "8350",
            "6a",
            "6b0003616263",
            "6c00000001",
            "6d00000003616263",
            "6802",
            "7400000001",
        ),
        *("6101", "62ffffffff", "6e0100ff", "6f00000001", "463ff0000000000000", "770464617461"),
        *("7706736967656e64", "7708696e66696e697479", "58", "5a", "67", "70", "4d", "7f800000"),
    )
)
_ENCODED: Final = (
    *(b"SFMyNTY", b"SFMzODQ", b"SFM1MTI", b".", b"=", b"-_", b"+/"),
    *(b"WENDUA", b"QTEyOEdDTQ", b"g2gDbQ"),
)
_QUERIES: Final = (b"a[b]=1", b"a[]=2", b"vsn=2.0.0", b"&&", b"%F0%9F", b"[", b"][", b"%zz", b"+")
_HEADER_VALUES: Final = (
    *(
        b"base64url.bearer.phx.",
        b"phoenix",
        b"https://",
        b"http://[::1]:80",
        b"null",
        b"user@",
        b"//",
    ),
    *(b":65536", b"a=b; c", b"%41", b"localhost:4000"),
)

_UNDECODABLE: Final = (DecodeError, UnicodeDecodeError)

TARGETS: Final = {
    target.name: target
    for target in (
        Target("json_v1", _of(JSONV1, TEXT), _UNDECODABLE, _JSON),
        Target("json_v2", _of(JSONV2, TEXT), _UNDECODABLE, _JSON),
        Target("binary_v2", _of(JSONV2, BINARY), (DecodeError,)),
        Target("post", _post, _UNDECODABLE, (*_JSON, b"\n", b"\r\n", b"AAEC", b"==")),
        Target("frames", _frames(lambda: Reader(MAX_SIZE)), (), _HEADS),
        Target("compressed_frames", _frames(_inflating()), (), _HEADS + _STREAMS),
        Target(
            "compressed_frames_in_context",
            _frames(_inflating(client_context=True)),
            (),
            _HEADS + _STREAMS,
        ),
        Target("compression", _compressed_text, (), _JSON),
        Target("extensions", _extensions, (), _PARAMETERS),
        Target("query", _query, (DecodeError,), _QUERIES),
        Target("headers", _headers, (DecodeError,), _HEADER_VALUES),
        Target("token_signed", _verify, (TokenError,), _ENCODED),
        Target("token_encrypted", _decrypt, (TokenError,), _ENCODED),
        Target(
            "jwt",
            _jwt,
            (TokenError,),
            (*_JSON, b'"alg":"HS256"', b'"exp":', b'"iat":', b'"crit":["b64"]'),
        ),
        Target("sessions", _sessions, (), (*_ENCODED, b"; s=", b"eyJ", b"%")),
        Target("csrf", _csrf, (), (b"A", b"=", b"\n")),
        Target(
            "forwarded", _forwarded, (), (*_HEADER_VALUES, b"10.0.0.7", b"::ffff:1.2.3.4", b"\n")
        ),
        Target("token_payload", _payload, (TokenError,), _TERMS),
        Target("term", _term, (DecodeError,), _TERMS),
        Target("server", _server(is_mounted=False), (), PROGRAM_WORDS, weight=10),
        Target("server_mounted", _server(is_mounted=True), (), PROGRAM_WORDS, weight=10),
    )
}
