"""JSON Web Tokens as a connect: with keys that are made here, and a key set that is served here."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bennu import Channel, ConnectInfo, DefinitionError, Refused
from bennu.auth.jwt import JWTConnect
from bennu.errors import TokenExpired, TokenInvalid, TokenMissing
from tests.support.memory import HandshakeRefused, endpoint_of, error, ok, serve
from tests.support.tokens import (
    OTHER_RSA,
    PRIVATE,
    PUBLIC,
    RSA,
    SECRET,
    WEAK_RSA,
    connector,
    make,
    pem,
)


def request(token: str | None = None) -> ConnectInfo:
    return ConnectInfo({"path": "/", "headers": []}, transport="websocket", auth_token=token)


# Which tokens are accepted.


@pytest.mark.parametrize("algorithm", list(PRIVATE))
async def test_a_token_of_each_algorithm_admits_its_user(algorithm: str) -> None:
    assert await connector(algorithm)({"token": make(algorithm)}, request()) == "ann"


async def test_the_token_beside_the_url_comes_first() -> None:
    """The name of the parameter can be set."""
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
    """This holds for values of every type."""
    with pytest.raises(expected):
        await connector().verify(token)


async def test_a_token_of_another_key_is_refused() -> None:
    """A changed token is refused too."""
    connect = connector()
    with pytest.raises(TokenInvalid, match="another key"):
        await connect.verify(make(key=OTHER_RSA))
    head, _, signature = make().split(".")
    _, payload, _ = make(sub="eve").split(".")
    with pytest.raises(TokenInvalid, match="another key"):
        await connect.verify(f"{head}.{payload}.{signature}")


async def test_several_keys_are_a_rotation() -> None:
    """Tokens of each key are valid."""
    connect = connector(key=[pem(RSA), pem(OTHER_RSA)])
    assert (await connect.verify(make()))["sub"] == "ann"
    assert (await connect.verify(make(key=OTHER_RSA)))["sub"] == "ann"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256", "PS256"])
async def test_an_algorithm_that_was_not_asked_for_is_refused(algorithm: str) -> None:
    """This holds even if the present key could verify it."""
    key = None if algorithm == "none" else PRIVATE[algorithm]
    token = pyjwt.encode({"sub": "ann", "exp": time.time() + 60}, key, algorithm)  # type: ignore[arg-type]
    with pytest.raises(TokenInvalid, match="is not accepted"):
        await connector("RS256").verify(token)


async def test_a_public_key_is_no_secret() -> None:
    """A token that was signed with the public key as an HS secret is refused."""
    head = pyjwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT"}')
    body = pyjwt.utils.base64url_encode(json.dumps({"exp": time.time() + 60}).encode())
    signing = pyjwt.algorithms.HMACAlgorithm(pyjwt.algorithms.HMACAlgorithm.SHA256)
    forged = signing.sign(head + b"." + body, pem(RSA).encode())
    token = b".".join([head, body, pyjwt.utils.base64url_encode(forged)]).decode()
    with pytest.raises(TokenInvalid, match="is not accepted"):
        await connector("RS256").verify(token)


async def test_an_expired_token_says_since_when() -> None:
    """The text is for the log. The client gets token_expired."""
    now = int(time.time())
    with pytest.raises(TokenExpired) as expired:
        await connector().verify(make(iat=now - 100, exp=now - 40))
    assert (expired.value.signed_at, expired.value.max_age) == (now - 100, 60)
    assert expired.value.payload == {"reason": "token_expired"}


async def test_clocks_may_differ_by_the_leeway() -> None:
    """The connection lasts as long as its token is accepted."""
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
    """Examples are another audience, another issuer, a time in the future, or a missing expiry."""
    with pytest.raises(TokenInvalid):
        await connector(**options).verify(make(**claims))


async def test_claims_that_fit_are_accepted() -> None:
    """One of several audiences is enough. A token without an expiry is accepted if none is required."""
    connect = connector(audience=["chat", "game"], issuer="us", require=[])
    info = request(make(aud=["chat"], iss="us", exp=None))
    assert await connect({}, info) == "ann"
    assert (info.expires_at, info.ids) == (None, ())


# What an accepted token brings.


async def test_a_token_binds_the_connection_to_its_time_and_its_id() -> None:
    """So the connection ends with the token, and can be disconnected by the token's id."""
    ends = int(time.time()) + 60
    info = request(make(exp=ends, jti="7f3a"))
    await connector()({}, info)
    assert (info.expires_at, info.ids) == (ends, ("tokens:7f3a",))


async def test_the_user_is_made_by_a_function_that_may_wait() -> None:
    """The function can refuse too."""

    async def user(claims: dict[str, Any], info: ConnectInfo) -> str:
        if claims["sub"] == "eve":
            raise Refused("banned")
        return f"{claims['sub']} over {info.transport}"

    connect = connector(user=user)
    assert await connect({"token": make()}, request()) == "ann over websocket"
    with pytest.raises(Refused, match="banned"):
        await connect({"token": make(sub="eve")}, request())


class Room(Channel[str]):
    """A channel without handlers."""


async def test_a_connection_lives_as_its_tokens_do() -> None:
    """A connection is refused, accepted, warned, prolonged, and closed."""
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
        ({"algorithms": ["RS256", "HS256"]}, "algorithms of one kind"),
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
    """The error has the expected value, and what to write."""
    with pytest.raises(DefinitionError, match=message):
        JWTConnect(**{"algorithms": ["RS256"], "user": lambda claims, info: None, **options})
