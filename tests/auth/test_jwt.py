"""JSON Web Tokens as a connect: with keys that are made here, and a key set that is served here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from bennu import Channel, ConnectInfo, DefinitionError, Refused
from bennu.auth.jwt import JWTConnect
from bennu.auth.key_set import MAX_BYTES, KeySet
from bennu.errors import TokenExpired, TokenInvalid, TokenMissing
from tests.support.clock import advance
from tests.support.memory import HandshakeRefused, endpoint_of, error, ok, serve

SECRET = "a secret of at least 32 bytes, as one should have"

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
WEAK_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is refused is the point
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

PRIVATE: dict[str, Any] = {"RS256": RSA, "PS256": RSA, "ES256": EC, "EdDSA": ED, "HS256": SECRET}


def pem(key: Any) -> str:
    """The public key of a private one, as text."""
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


PUBLIC: dict[str, Any] = {name: pem(key) for name, key in PRIVATE.items() if name != "HS256"}
PUBLIC["HS256"] = SECRET


def make(algorithm: str = "RS256", key: Any = None, kid: str | None = None, **claims: Any) -> str:
    """A token of ann's, good for a minute."""
    claims = {"sub": "ann", "exp": time.time() + 60, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = None if kid is None else {"kid": kid}
    return pyjwt.encode(claims, key or PRIVATE[algorithm], algorithm, headers=headers)


def connector(*algorithms: str, **options: Any) -> JWTConnect[str]:
    """A connect whose users are the subjects of their tokens."""
    algorithms = algorithms or ("RS256",)
    if not options.keys() & {"key", "jwks_url"}:
        options["key"] = [PUBLIC[name] for name in algorithms]
    options = {"algorithms": algorithms, "user": lambda claims, info: claims["sub"], **options}
    return JWTConnect(**options)


def request(token: str | None = None) -> ConnectInfo:
    return ConnectInfo({"path": "/", "headers": []}, transport="websocket", auth_token=token)


# Which tokens are accepted.


@pytest.mark.parametrize("algorithm", list(PRIVATE))
async def test_a_token_of_each_algorithm_admits_its_user(algorithm: str) -> None:
    assert await connector(algorithm)({"token": make(algorithm)}, request()) == "ann"


async def test_the_token_beside_the_url_comes_first() -> None:
    """And the parameter may have another name."""
    connect = connector(param="jwt")
    assert await connect({"jwt": "junk"}, request(make())) == "ann"
    assert await connect({"jwt": make()}, request()) == "ann"
    with pytest.raises(TokenMissing):
        await connect({"token": make()}, request())


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (None, TokenMissing),
        ("", TokenMissing),
        ("junk", TokenInvalid),
        ("a.b.c", TokenInvalid),
        ("ü.ü.ü", TokenInvalid),
        ("\ud83d.a.b", TokenInvalid),  # half an emoji
        ({"nested": "parameter"}, TokenInvalid),
        ("x" * 70_000, TokenInvalid),
    ],
    ids=lambda value: repr(value)[:12],
)
async def test_what_is_no_token_is_refused(token: Any, expected: type[Exception]) -> None:
    """Whatever it is."""
    with pytest.raises(expected):
        await connector().verify(token)


async def test_a_token_of_another_key_is_refused() -> None:
    """As is one that was changed."""
    connect = connector()
    with pytest.raises(TokenInvalid, match="another key"):
        await connect.verify(make(key=OTHER_RSA))
    head, _, signature = make().split(".")
    _, payload, _ = make(sub="eve").split(".")
    with pytest.raises(TokenInvalid, match="another key"):
        await connect.verify(f"{head}.{payload}.{signature}")


async def test_several_keys_are_a_rotation() -> None:
    """Tokens of each of them are good."""
    connect = connector(key=[pem(RSA), pem(OTHER_RSA)])
    assert (await connect.verify(make()))["sub"] == "ann"
    assert (await connect.verify(make(key=OTHER_RSA)))["sub"] == "ann"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256", "PS256"])
async def test_an_algorithm_that_was_not_asked_for_is_refused(algorithm: str) -> None:
    """Even if it could be verified with the key that there is."""
    key = None if algorithm == "none" else PRIVATE[algorithm]
    token = pyjwt.encode({"sub": "ann", "exp": time.time() + 60}, key, algorithm)  # type: ignore[arg-type]
    with pytest.raises(TokenInvalid, match="is not accepted"):
        await connector("RS256").verify(token)


async def test_a_public_key_is_no_secret() -> None:
    """A token that was signed with the public key as if it were one is refused."""
    head = pyjwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT"}')
    body = pyjwt.utils.base64url_encode(json.dumps({"exp": time.time() + 60}).encode())
    signing = pyjwt.algorithms.HMACAlgorithm(pyjwt.algorithms.HMACAlgorithm.SHA256)
    forged = signing.sign(head + b"." + body, pem(RSA).encode())
    token = b".".join([head, body, pyjwt.utils.base64url_encode(forged)]).decode()
    with pytest.raises(TokenInvalid, match="is not accepted"):
        await connector("RS256").verify(token)


async def test_an_expired_token_says_since_when() -> None:
    """Its text is for the log; a client is told token_expired."""
    now = int(time.time())
    with pytest.raises(TokenExpired) as expired:
        await connector().verify(make(iat=now - 100, exp=now - 40))
    assert (expired.value.signed_at, expired.value.max_age) == (now - 100, 60)
    assert expired.value.payload == {"reason": "token_expired"}


async def test_clocks_may_differ_by_the_leeway() -> None:
    """And the connection lasts as long as its token would be accepted."""
    connect = connector(leeway=30)
    info, ends = request(make(exp=int(time.time()) - 10)), int(time.time()) + 20
    assert await connect({}, info) == "ann"
    assert info.expires_at is not None
    assert ends - 1 <= info.expires_at <= ends
    with pytest.raises(TokenExpired):
        await connect.verify(make(exp=int(time.time()) - 40))


@pytest.mark.parametrize(
    ("options", "claims"),
    [
        ({}, {"exp": None}),
        ({}, {"exp": "soon"}),
        ({}, {"exp": math.nan}),
        ({}, {"exp": math.inf}),
        ({}, {"exp": 10**400}),
        ({}, {"exp": -(10**400)}),
        ({}, {"exp": 1, "iat": 10**400}),
        ({}, {"nbf": 9_999_999_999}),
        ({}, {"aud": "chat"}),
        ({"audience": "chat"}, {}),
        ({"audience": "chat"}, {"aud": "mail"}),
        ({"issuer": "us"}, {}),
        ({"issuer": "us"}, {"iss": "them"}),
        ({"require": ["exp", "jti"]}, {}),
        ({}, {"sub": 7}),
    ],
    ids=repr,
)
async def test_claims_that_do_not_fit_are_refused(options: Any, claims: Any) -> None:
    """A token for somebody else, of somebody else, of the future, or without an end."""
    with pytest.raises(TokenInvalid):
        await connector(**options).verify(make(**claims))


async def test_claims_that_fit_are_accepted() -> None:
    """One of several audiences will do; a token without an end too, where it is not required."""
    connect = connector(audience=["chat", "game"], issuer="us", require=[])
    info = request(make(aud=["chat"], iss="us", exp=None))
    assert await connect({}, info) == "ann"
    assert (info.expires_at, info.ids) == (None, ())


# What an accepted token brings.


async def test_a_token_binds_the_connection_to_its_time_and_its_id() -> None:
    """So it ends with it, and can be revoked."""
    ends = int(time.time()) + 60
    info = request(make(exp=ends, jti="7f3a"))
    await connector()({}, info)
    assert (info.expires_at, info.ids) == (ends, ("tokens:7f3a",))


async def test_the_user_is_made_by_a_function_that_may_wait() -> None:
    """And may refuse."""

    async def user(claims: dict[str, Any], info: ConnectInfo) -> str:
        if claims["sub"] == "eve":
            raise Refused("banned")
        return f"{claims['sub']} over {info.transport}"

    connect = connector(user=user)
    assert await connect({"token": make()}, request()) == "ann over websocket"
    with pytest.raises(Refused, match="banned"):
        await connect({"token": make(sub="eve")}, request())


class Room(Channel[str]):
    """Nothing but a room."""


async def test_a_connection_lives_as_its_tokens_do() -> None:
    """It is refused, admitted, told that its time ends, prolonged, and closed."""
    connect = connector()
    options: dict[str, Any] = {"id": lambda sub: f"users:{sub}", "refresh": connect.refresh}
    async with serve(endpoint_of({"room:*": Room}, connect=connect, **options)) as server:
        for bad in ({}, {"token": "junk"}, {"token": make(exp=1)}):
            with pytest.raises(HandshakeRefused) as refused:
                await server.connect(params=bad)
            assert refused.value.status == 403
        client = await server.connect(params={"token": make(jti="1")})
        assert await client.join("room:1") == ok()
        assert (await client.receive(within=31)).event == "token_expiring"
        for bad_token, reason in [
            ("junk", "token_invalid"),
            (make(sub="bob"), "token_of_another"),
            (make(exp=1), "token_expired"),
        ]:
            assert await client.call("phoenix", "token", {"token": bad_token}) == error(reason)
        renewed = await client.call("phoenix", "token", {"token": make(jti="2", exp=_in(45))})
        assert renewed["status"] == "ok"
        await server.endpoint.disconnect("tokens:1")
        assert (await client.receive(within=20)).event == "token_expiring"
        assert await client.closed(within=31) == 4001
        other = await server.connect(params={"token": make(jti="3")})
        await server.endpoint.disconnect("tokens:3")
        assert await other.closed() == 1001


def _in(seconds: float) -> float:
    return time.time() + seconds


# Keys behind a URL.


@dataclass
class Issuer:
    """Who publishes keys, and counts how often it is asked."""

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
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        issuer.url = f"http://127.0.0.1:{server.server_port}/keys.json"
        yield issuer
        server.shutdown()


ASYMMETRIC = ["RS256", "PS256", "ES256", "EdDSA"]


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
async def test_keys_come_from_a_url(issuer: Issuer, algorithm: str) -> None:
    """They are fetched once, by the first token; the key's kind decides, not the token."""
    for number, key in enumerate((RSA, EC, ED)):
        issuer.publish(f"key {number}", key)
    kid = f"key {[RSA, EC, ED].index(PRIVATE[algorithm])}"
    connect = connector(*ASYMMETRIC, jwks_url=issuer.url)
    for _ in range(3):
        assert (await connect.verify(make(algorithm, kid=kid)))["sub"] == "ann"
    assert (await connect.verify(make(algorithm)))["sub"] == "ann"  # it names none: all are tried
    assert issuer.requests == 1


async def test_a_new_key_is_noticed(issuer: Issuer) -> None:
    """By the first token that names it, if the last fetch was a while ago."""
    issuer.publish("old", RSA)
    connect = connector(jwks_url=issuer.url)
    await connect.verify(make(kid="old"))
    issuer.publish("new", OTHER_RSA)
    await advance(30)
    assert (await connect.verify(make(kid="new", key=OTHER_RSA)))["sub"] == "ann"
    assert issuer.requests == 2


async def test_clients_do_not_make_us_fetch(issuer: Issuer) -> None:
    """A thousand unknown keys are one fetch in half a minute."""
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
    """When the set has become old."""
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
    """The old keys stay; it is asked again after a while."""
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
    """Until they are too old; from then on nobody is let in."""
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


async def test_one_fetch_at_a_time_keeps_a_thread() -> None:
    """An issuer that never comes to an end does not fill the threads with fetches."""
    keys = KeySet("http://127.0.0.1:1/keys.json")
    assert keys._under_way.acquire(blocking=False)
    with pytest.raises(OSError, match="still under way"):
        keys._download()
    keys._under_way.release()


async def test_an_answer_that_trickles_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece comes in time, and all of them would not."""

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
    with pytest.raises(TimeoutError, match="within 5 s"):
        KeySet("https://id.example.com/keys.json")._download()
    assert trickle.now == 6


async def test_without_any_keys_clients_are_told_to_come_back(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """And when."""
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
    """Those that come while it is under way, too."""
    issuer.publish("key", RSA)
    connect = connector(jwks_url=issuer.url)
    found = await asyncio.gather(*(connect.verify(make(kid="key")) for _ in range(5)))
    assert [claims["sub"] for claims in found] == ["ann"] * 5
    assert issuer.requests == 1


async def test_what_is_no_key_for_signatures_is_left_out(issuer: Issuer) -> None:
    """Secrets, keys for encryption, those of another algorithm, and weak ones."""
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
    keys = connect._key_set
    assert keys is not None
    assert await keys.find("secret") == []


# Mistakes that are found at start-up.


def private_pem() -> str:
    return RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithms": []}, "a list of"),
        ({"algorithms": None}, "a list of"),
        ({"algorithms": "RS256"}, "a list of"),
        ({"algorithms": ["none"]}, "a list of"),
        ({"algorithms": ["RS256", "none"]}, "a list of"),
        ({"algorithms": ["RS257"]}, "a list of"),
        ({"algorithms": ["RS256", "HS256"]}, "those of one kind"),
        ({"algorithms": ["HS256"], "key": PUBLIC["RS256"]}, "no such key"),
        ({"algorithms": ["HS256"], "key": "too short"}, "no such key"),
        ({"algorithms": ["HS512"], "key": SECRET}, "no such key"),
        ({"algorithms": ["ES256"], "key": PUBLIC["RS256"]}, "no such key"),
        ({"algorithms": ["RS256"], "key": SECRET}, "no such key"),
        ({"algorithms": ["RS256"], "key": pem(WEAK_RSA)}, "no such key"),
        ({"algorithms": ["RS256"], "key": private_pem()}, "no such key"),
        ({"algorithms": ["RS256"], "key": []}, "no such key"),
        ({"algorithms": ["RS256"], "key": [PUBLIC["RS256"], PUBLIC["ES256"]]}, "a key for none"),
        ({"algorithms": ["RS256"], "key": None}, "either key="),
        ({"key": PUBLIC["RS256"], "jwks_url": "https://id.example.com"}, "either key="),
        ({"algorithms": ["HS256"], "jwks_url": "https://id.example.com"}, "with public keys"),
        ({"jwks_url": "file:///etc/passwd"}, "a URL of https"),
        ({"jwks_url": "http://id.example.com/keys"}, "a URL of https"),
        ({"jwks_url": "http://localhost.example.com/keys"}, "a URL of https"),
        ({"jwks_url": "http://127.0.0.1.example.com/keys"}, "a URL of https"),
        ({"jwks_url": "http://127.0.0.1@example.com/keys"}, "a URL of https"),
        ({"jwks_url": "ftp://localhost/keys"}, "a URL of https"),
        ({"jwks_url": "https:///keys"}, "a URL of https"),
        ({"jwks_url": "id.example.com"}, "a URL of https"),
        ({"jwks_url": 7}, "a URL of https"),
    ],
    ids=[str(number) for number in range(28)],
)
def test_what_can_not_work_is_found_at_start_up(options: dict[str, Any], message: str) -> None:
    """With what was expected, and what to write."""
    with pytest.raises(DefinitionError, match=message):
        JWTConnect(**{"algorithms": ["RS256"], "user": lambda claims, info: None, **options})
