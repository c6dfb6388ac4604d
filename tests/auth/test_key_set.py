"""Keys behind a URL: the times of fetches, and an outage of the issuer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from bennu import Refused
from bennu.auth.key_set import MAX_BYTES, KeySet
from bennu.errors import TokenInvalid
from bennu.testing.clock import advance, running_loop
from tests.support.tokens import EC, ED, OTHER_RSA, PRIVATE, RSA, SECRET, WEAK_RSA, connector, make


@dataclass
class Issuer:
    """A server that publishes keys, and counts its requests."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    requests: int = 0
    body: bytes | None = None
    location: str | None = None

    def publish(self, kid: str | None, key: Any, **more: Any) -> None:
        kinds: list[tuple[type, Callable[[Any], str]]] = [
            (rsa.RSAPublicKey, RSAAlgorithm.to_jwk),
            (ec.EllipticCurvePublicKey, ECAlgorithm.to_jwk),
            (ed25519.Ed25519PublicKey, OKPAlgorithm.to_jwk),
        ]
        public = key.public_key()
        (to_jwk,) = [found for kind, found in kinds if isinstance(public, kind)]
        named = {} if kid is None else {"kid": kid}
        self.keys.append({**json.loads(to_jwk(public)), **named, **more})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests += 1
            body = json.dumps({"keys": issuer.keys}).encode() if issuer.status == 200 else b"oops"
            if issuer.body is not None:
                body = issuer.body
            self.send_response(issuer.status)
            if issuer.location is not None:
                self.send_header("location", issuer.location)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        issuer.url = f"http://127.0.0.1:{server.server_port}/keys.json"
        yield issuer
        server.shutdown()


ASYMMETRIC = ["RS256", "PS256", "ES256", "EdDSA"]


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
async def test_keys_come_from_a_url(issuer: Issuer, algorithm: str) -> None:
    """The first token causes one fetch. The kind of the key decides the algorithm, not the token."""
    for number, key in enumerate((RSA, EC, ED)):
        issuer.publish(f"key {number}", key)
    kid = f"key {[RSA, EC, ED].index(PRIVATE[algorithm])}"
    connect = connector(*ASYMMETRIC, jwks_url=issuer.url)
    for _ in range(3):
        assert (await connect.verify(make(algorithm, kid=kid)))["sub"] == "ann"
    assert (await connect.verify(make(algorithm)))["sub"] == "ann"  # it names none: all are tried
    assert issuer.requests == 1


async def test_a_new_key_is_noticed(issuer: Issuer) -> None:
    """The first token that names it causes a fetch, if the last fetch is old enough."""
    issuer.publish("old", RSA)
    connect = connector(jwks_url=issuer.url)
    await connect.verify(make(kid="old"))
    issuer.publish("new", OTHER_RSA)
    await advance(30)
    assert (await connect.verify(make(kid="new", key=OTHER_RSA)))["sub"] == "ann"
    assert issuer.requests == 2


async def test_clients_do_not_make_us_fetch(issuer: Issuer) -> None:
    """A thousand unknown keys cause one fetch in half a minute."""
    issuer.publish("known", RSA)
    connect = connector(jwks_url=issuer.url)
    await connect.verify(make(kid="known"))
    for _ in range(3):
        for number in range(10):
            with pytest.raises(TokenInvalid, match="no key"):
                await connect.verify(make(kid=f"unknown {number}"))
        await advance(30)
    assert issuer.requests == 3


async def test_a_removed_key_is_forgotten(issuer: Issuer) -> None:
    """This happens when the set has become old."""
    issuer.publish("key", RSA)
    connect = connector(jwks_url=issuer.url, jwks_lifespan=100)
    await connect.verify(make(kid="key"))
    issuer.keys.clear()
    issuer.publish("other", OTHER_RSA)
    await advance(99)
    await connect.verify(make(kid="key"))
    await advance(1)
    with pytest.raises(TokenInvalid):
        await connect.verify(make(kid="key"))


async def test_an_outage_of_the_issuer_locks_nobody_out(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """The old keys stay in use. The next fetch comes after a while."""
    issuer.publish("key", RSA)
    connect = connector(jwks_url=issuer.url, jwks_lifespan=100)
    await connect.verify(make(kid="key"))
    issuer.status = 500
    await advance(100)
    for _ in range(5):
        assert (await connect.verify(make(kid="key")))["sub"] == "ann"
    assert issuer.requests == 2
    assert "could not be fetched" in caplog.text


BROKEN: dict[str, dict[str, Any]] = {
    "no JSON": {"body": b"<html>"},
    "no object": {"body": b"[]"},
    "no keys": {"body": b"{}"},
    "keys that are no list": {"body": b'{"keys": {}}'},
    "too long": {"body": b'{"keys": []' + b" " * MAX_BYTES + b"}"},
    "too deep": {"body": b"[" * 100_000},
    "a server error": {"status": 503},
    "a redirect": {"status": 302, "location": "http://127.0.0.1:1/keys.json"},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_leaves_the_old_keys_for_a_while(
    issuer: Issuer, broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """When the keys are too old, no client is accepted."""
    issuer.publish("key", RSA)
    connect = connector(jwks_url=issuer.url, jwks_lifespan=100, jwks_max_age=1000)
    await connect.verify(make(kid="key"))
    for name, value in broken.items():
        setattr(issuer, name, value)
    await advance(100)
    assert (await connect.verify(make(kid="key")))["sub"] == "ann"
    assert "could not be fetched" in caplog.text
    await advance(900)
    with pytest.raises(Refused, match="keys_unavailable"):
        await connect.verify(make(kid="key"))
    assert "too old" in caplog.text
    issuer.status, issuer.body = 200, None
    await advance(30)
    assert (await connect.verify(make(kid="key")))["sub"] == "ann"


@pytest.mark.parametrize(
    "body",
    [
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
        b'{"keys": [7, {}, {"kty": "RSA", "n": 7, "e": "AQAB"}, {"kty": "EC", "crv": "P-1"}]}',
    ],
    ids=["none", "a secret", "none that can be used"],
)
async def test_a_set_without_keys_takes_effect_at_once(
    issuer: Issuer, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.publish("key", RSA)
    connect = connector(jwks_url=issuer.url, jwks_lifespan=100)
    await connect.verify(make(kid="key"))
    issuer.body = body
    await advance(100)
    with pytest.raises(Refused, match="keys_unavailable"):
        await connect.verify(make(kid="key"))
    assert "has no key for signatures" in caplog.text


async def test_one_fetch_at_a_time_keeps_a_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An issuer that never answers blocks only one thread, for any number of calls."""
    asked, end = threading.Event(), threading.Event()

    class Silent:
        def open(self, *_: object, **__: object) -> None:
            asked.set()
            end.wait()
            raise OSError("the test is over")

    monkeypatch.setattr("urllib.request.build_opener", lambda *_: Silent())
    keys, loop = KeySet("http://127.0.0.1:1/keys.json", cooldown=0), running_loop()
    first = asyncio.create_task(keys.find(None))
    try:
        await asyncio.to_thread(asked.wait)
        loop.clock.waits_for_threads = False
        with pytest.raises(Refused):
            await first
        loop.clock.waits_for_threads = True
        with pytest.raises(Refused):
            await keys.find(None)
    finally:
        end.set()
    assert "still under way" in caplog.text


async def test_an_answer_that_trickles_is_late(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each piece comes in time, but the whole answer would not."""

    class Trickle:
        now = 0.0

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def open(self, *_: object, **__: object) -> Trickle:
            return self

        def read1(self, _: int) -> bytes:
            self.now += 1
            return b" "

    trickle = Trickle()
    monkeypatch.setattr("urllib.request.build_opener", lambda *_: trickle)
    monkeypatch.setattr("time.monotonic", lambda: trickle.now)
    with pytest.raises(Refused):
        await KeySet("https://id.example.com/keys.json").find(None)
    assert "within 5 s" in caplog.text
    assert trickle.now == 6


async def test_without_any_keys_clients_are_told_to_come_back(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """The refusal has a time for the next try."""
    issuer.publish("key", RSA)
    issuer.status = 500
    connect = connector(jwks_url=issuer.url)
    for seconds, wait in [(0, 30_000), (10, 20_000)]:
        await advance(seconds)
        with pytest.raises(Refused) as refused:
            await connect.verify(make(kid="key"))
        expected = {"reason": "keys_unavailable", "retry_after_ms": wait}
        assert refused.value.payload == expected
    assert issuer.requests == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    issuer.status = 200
    await advance(20)
    assert (await connect.verify(make(kid="key")))["sub"] == "ann"


async def test_several_clients_wait_for_one_fetch(issuer: Issuer) -> None:
    """Clients that come during the fetch wait too."""
    issuer.publish("key", RSA)
    connect = connector(jwks_url=issuer.url)
    found = await asyncio.gather(*(connect.verify(make(kid="key")) for _ in range(5)))
    assert [claims["sub"] for claims in found] == ["ann"] * 5
    assert issuer.requests == 1


async def test_what_is_no_key_for_signatures_is_left_out(issuer: Issuer) -> None:
    """Secrets, keys for encryption, keys of another algorithm, and weak keys are left out."""
    secret = pyjwt.utils.base64url_encode(SECRET.encode()).decode()
    issuer.keys.append({"kty": "oct", "kid": "secret", "k": secret})
    issuer.publish("encryption", RSA, use="enc")
    issuer.publish("other algorithm", RSA, alg="RS512")
    issuer.publish("weak", WEAK_RSA)
    issuer.publish("good", OTHER_RSA, alg="RS256", use="sig")
    connect = connector(jwks_url=issuer.url)
    for kid in ("encryption", "other algorithm"):
        with pytest.raises(TokenInvalid):
            await connect.verify(make(kid=kid))
    with pytest.warns(pyjwt.warnings.InsecureKeyLengthWarning):
        weak = make(kid="weak", key=WEAK_RSA)
    with pytest.raises(TokenInvalid):
        await connect.verify(weak)
    assert (await connect.verify(make(kid="good", key=OTHER_RSA)))["sub"] == "ann"
    assert await KeySet(issuer.url).find("secret") == []
