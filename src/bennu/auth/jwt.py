"""A ready-made ``connect`` for JSON Web Tokens (RFC 7519), by PyJWT: ``pip install 'bennu[jwt]'``.

    async def user_of(claims, info):
        return User(claims["sub"])

    tokens = JWTConnect(
        jwks_url="https://id.example.com/.well-known/jwks.json",
        algorithms=["RS256"], audience="chat", issuer="https://id.example.com/",
        user=user_of,
    )
    socket = Socket(connect=tokens, refresh=tokens.refresh, auth_token=True, ...)

The server chooses the algorithms; a token can't. Each algorithm is tied to its keys at start-up. A token that names
another algorithm is refused before any key is used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypedDict, TypeVar, cast

from typing_extensions import Unpack

from ..connect_info import ConnectInfo
from ..errors import DefinitionError, TokenExpired, TokenInvalid, TokenMissing
from ..user_code.callback import Callback
from .key_set import KeySet

try:
    import jwt as pyjwt
    from jwt.algorithms import get_default_algorithms
    from jwt.exceptions import (
        ExpiredSignatureError,
        InvalidKeyError,
        InvalidSignatureError,
        InvalidTokenError,
    )
except ImportError as error:  # pragma: no cover - key_set raises it before
    raise ImportError("JSON Web Tokens need PyJWT: pip install 'bennu[jwt]'") from error

__all__ = ["JWTConnect", "JWTOptions"]

A = TypeVar("A")

Claims = dict[str, Any]

MAX_TOKEN: Final = 64 * 1024
"""Characters of the longest token."""

_SYMMETRIC: Final = {"HS256", "HS384", "HS512"}


class JWTOptions(TypedDict, total=False):
    """The options for the content of a token, and for its keys.

    Attributes:
        key: The public key as PEM, or the secret of the HS algorithms; or several keys during a rotation.
        jwks_url: The URL of the public keys, in place of ``key``: a JSON Web Key Set. It must be https (http only on
            this machine). No redirect is followed. The answer has at most 512 KB.
        audience: The accepted audiences. The token must name one of them. Without this option, a token that names an
            audience is refused.
        issuer: The issuer that the token must name.
        leeway: Seconds by which clocks can differ; 0 by default.
        require: The claims that a token must have; ``["exp"]`` by default.
        param: The parameter of the query with the token, for a client that sends no auth token; ``"token"`` by
            default.
        jwks_timeout: The most seconds of one fetch of the keys; 5 by default.
        jwks_lifespan: Seconds after which the keys are fetched again; 300 by default.
        jwks_cooldown: The least seconds between two fetches; 30 by default.
        jwks_max_age: Seconds for which keys stay in use while they can't be fetched again; 86,400 (a day) by
            default.
    """

    key: Any
    jwks_url: str
    audience: str | Iterable[str]
    issuer: str | Sequence[str]
    leeway: float
    require: Sequence[str]
    param: str
    jwks_timeout: float
    jwks_lifespan: float
    jwks_cooldown: float
    jwks_max_age: float


class JWTConnect(Generic[A]):
    """A ``connect`` that verifies a JSON Web Token, and closes the connection when the token expires.

    The token is the auth token (``Socket(auth_token=True)``), or else the parameter ``token`` of the query.
    A token with an id (``jti``) can be revoked: ``endpoint.disconnect(f"tokens:{jti}")``.

    Args:
        algorithms: The algorithms that are accepted: ``["RS256"]``.
        user: Returns the assigns for the claims: ``async def user(claims, info)``. It can raise ``Refused``.
        **options: See :class:`JWTOptions`. Either ``key`` or ``jwks_url`` is needed.

    Raises:
        DefinitionError: The options can't work, or are not safe.

    Example:
        >>> async def user(claims, info):
        ...     return claims["sub"]
        >>> secret = "a secret of at least 32 bytes......"
        >>> tokens = JWTConnect(key=secret, algorithms=["HS256"], user=user)
    """

    def __init__(
        self,
        *,
        algorithms: Sequence[str],
        user: Callable[[Claims, ConnectInfo], Awaitable[A]],
        **options: Unpack[JWTOptions],
    ) -> None:
        self._user = Callback("JWTConnect(user=...)", user)
        self._leeway = options.get("leeway", 0.0)
        self._param = options.get("param", "token")
        self._audience = options.get("audience")
        self._issuer = options.get("issuer")
        self._required = list(options.get("require", ["exp"]))
        self._jwt = pyjwt.PyJWT({"enforce_minimum_key_length": True})
        self._algorithms = _check_algorithms(algorithms)
        _check_source(options)
        self._keys: dict[str, list[Any]] = {}
        self._key_set: KeySet | None = None
        if (url := options.get("jwks_url")) is not None:
            self._key_set = _key_set(url, self._algorithms, options)
        else:
            self._keys = _prepare(options.get("key"), self._algorithms)

    async def __call__(self, params: dict[str, Any], info: ConnectInfo) -> A:
        """Admit a client by its token.

        Raises:
            Refused: The token is not accepted (a TokenError), or ``user`` refused the client.
        """
        token = info.auth_token
        return await self._admit(params.get(self._param) if token is None else token, info)

    async def refresh(self, token: str, info: ConnectInfo) -> A:
        """Admit a new token of a connected client: ``Socket(refresh=tokens.refresh)``.

        Raises:
            Refused: The token is not accepted, or ``user`` refused the client.
        """
        return await self._admit(token, info)

    async def verify(self, token: object) -> Claims:
        """Return the claims of a token.

        Args:
            token: The value that the client sent, of any type.

        Raises:
            TokenExpired: The token is too old.
            TokenInvalid: The token has another audience or issuer, was changed, or is no token.
            TokenMissing: The token is None or empty.
            Refused: There are no keys, because their URL does not answer.
        """
        if token is None or token == "":
            raise TokenMissing("there is no token")
        if not isinstance(token, str) or len(token) > MAX_TOKEN or not token.isascii():
            raise TokenInvalid(f"a token is ASCII text of at most {MAX_TOKEN} characters")
        try:
            header = pyjwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in self._algorithms:
                raise TokenInvalid(f"the token's algorithm is {algorithm!r}, which is not accepted")
            keys = await self._keys_for(algorithm, header)
            claims = self._decode(token, algorithm, keys)
            float(claims.get("exp", 0))  # the caller relies on a number
        except InvalidTokenError as error:
            raise TokenInvalid(str(error)) from error
        except OverflowError as error:  # an integer of 400 digits
            raise TokenInvalid("the token's time (exp) is out of range") from error
        return claims

    async def _admit(self, token: object, info: ConnectInfo) -> A:
        claims = await self.verify(token)
        if "exp" in claims:
            # verify accepts the token until that time. After an earlier close the client would connect with it again.
            info.expire_at(float(claims["exp"]) + self._leeway)
        if isinstance(token_id := claims.get("jti"), str):
            info.add_id(f"tokens:{token_id}")
        return cast("A", await self._user.call_on_loop(claims, info))

    async def _keys_for(self, algorithm: str, header: Mapping[str, Any]) -> list[Any]:
        """Return the keys that can have signed a token. Each is a key for this algorithm."""
        if self._key_set is None:
            return self._keys[algorithm]
        key_id = header.get("kid")
        keys: list[Any] = []
        for one in await self._key_set.find(key_id):
            data: Mapping[str, Any] = one._jwk_data  # pyright: ignore[reportPrivateUsage]
            if data.get("alg") in (None, algorithm):
                keys += _prepared(one.key, algorithm)
        if not keys:
            raise TokenInvalid(f"the issuer has no key {key_id!r} for {algorithm}")
        return keys

    def _decode(self, token: str, algorithm: str, keys: Sequence[Any]) -> Claims:
        for key in keys:
            try:
                return self._decode_with(token, algorithm, key)
            except InvalidSignatureError:
                continue
            except ExpiredSignatureError as error:
                expired = self._decode_with(token, algorithm, key, verify_exp=False)
                ends = float(expired["exp"])
                made = float(expired.get("iat", ends))
                raise TokenExpired(signed_at=made, max_age=ends - made) from error
        raise TokenInvalid("the token was signed with another key, or was changed")

    def _decode_with(self, token: str, algorithm: str, key: Any, **options: bool) -> Claims:
        return self._jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            options=cast("Any", {"require": self._required, **options}),
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway,
        )


def _check_algorithms(algorithms: object) -> tuple[str, ...]:
    known = sorted(get_default_algorithms().keys() - {"none"})
    given = () if isinstance(algorithms, str) else tuple(cast("Iterable[Any]", algorithms or ()))
    if not given or not set(given) <= set(known):
        raise DefinitionError(
            "JWTConnect(algorithms=...)",
            expected=f"a list of {known}",
            got=repr(algorithms),
            write='algorithms=["RS256"]',
        )
    if (symmetric := set(given) & _SYMMETRIC) and symmetric != set(given):
        raise DefinitionError(
            "JWTConnect(algorithms=...)",
            expected="algorithms of one kind: with both, a public key could be used as a secret",
            got=repr(algorithms),
            write='algorithms=["RS256"]',
        )
    return given


def _check_source(options: JWTOptions) -> None:
    if (options.get("key") is None) == (options.get("jwks_url") is None):
        raise DefinitionError(
            "JWTConnect(...)",
            expected="either key=... or jwks_url=...",
            got=f"key {'and' if 'key' in options else 'nor'} jwks_url",
            write='jwks_url="https://id.example.com/.well-known/jwks.json"',
        )


def _key_set(url: str, algorithms: Sequence[str], options: JWTOptions) -> KeySet:
    if set(algorithms) & _SYMMETRIC:
        raise DefinitionError(
            "JWTConnect(jwks_url=...)",
            expected="algorithms with public keys: a secret is not published",
            got=f"algorithms={list(algorithms)}",
            write='algorithms=["RS256"]',
        )
    try:
        return KeySet(
            url,
            timeout=options.get("jwks_timeout", 5.0),
            lifespan=options.get("jwks_lifespan", 300.0),
            cooldown=options.get("jwks_cooldown", 30.0),
            max_age=options.get("jwks_max_age", 86_400.0),
        )
    except ValueError as error:
        raise DefinitionError(
            "JWTConnect(jwks_url=...)",
            expected="a URL of https: without TLS an attacker on the network could name keys",
            got=repr(url),
            write='jwks_url="https://id.example.com/.well-known/jwks.json"',
        ) from error


def _prepare(given: Any, algorithms: Sequence[str]) -> dict[str, list[Any]]:
    """Return the keys of each algorithm. Each algorithm must have a key, and each key an algorithm."""
    keys: list[Any] = list(cast("Any", given)) if isinstance(given, list | tuple) else [given]
    tied = {name: [one for key in keys for one in _prepared(key, name)] for name in algorithms}
    idle = [number for number, key in enumerate(keys) if not any(_prepared(key, n) for n in tied)]
    if idle or not all(tied.values()):
        missing = [name for name, found in tied.items() if not found]
        raise DefinitionError(
            "JWTConnect(key=...)",
            expected="for each algorithm a public key (PEM) or, of HS algorithms, a secret that is"
            " as long as the hash (32 bytes for HS256)",
            got=f"no such key for {missing}" if missing else f"a key for none of {algorithms}",
            write='key=Path("public.pem").read_text()',
        )
    return tied


def _prepared(key: Any, algorithm: str) -> list[Any]:
    """Return a key in the form of the algorithm; an empty list if the key is of another kind, or too weak."""
    how = pyjwt.get_algorithm_by_name(algorithm)
    try:
        prepared: Any = how.prepare_key(key)
        usable = how.check_key_length(prepared) is None and not hasattr(prepared, "private_bytes")
    except (InvalidKeyError, TypeError, ValueError):
        return []
    return [prepared] if usable else []
