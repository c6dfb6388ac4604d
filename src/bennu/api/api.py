"""The options of the HTTP API: ``Endpoint(api=Api(...))``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..errors import DefinitionError
from ..limits.rate import Rate, rate_of
from ..secret_key import MIN_SECRET, Secret, secrets_of
from ..user_code.options import COUNT, SECONDS, TEXT, options

__all__ = ["Api"]


@options(
    path=TEXT,
    max_body=COUNT,
    body_timeout=SECONDS,
    max_messages=COUNT,
    max_values=COUNT,
    max_requests=COUNT,
    confirm_timeout=SECONDS,
)
class Api:
    """An HTTP API for other services: they publish, disconnect clients, and ask about presences and nodes.

    Args:
        keys: The keys of the callers, by a name for each: ``{"billing": os.environ["BILLING_KEY"]}``. A key has at least
            20 bytes. A name can have several keys during a rotation. Names appear in the log, keys do not.
        path: The path above all paths of the API, relative to the endpoint's mount. Default: ``"/api"``.
        rate: How fast one name can publish; a message and a disconnect count one each. Default: ``"1000/second"``.
        wrong_keys: How many requests with a wrong key one address can send before they are answered 429. Requests with
            a right key are always accepted. Default: ``"10/minute"``.
        max_body: Bytes of a body. Default: 1 MiB.
        body_timeout: Seconds in which a body must arrive. Default: 10.
        max_messages: Messages of one request. Default: 1,000.
        max_values: JSON values of a body. Default: 50,000.
        max_requests: Requests under way in one process. Default: 100.
        confirm_timeout: Seconds for which a request waits until the bus has confirmed. Default: 5.

    Raises:
        DefinitionError: There is no key, a key is too short, two names have one key, or an option has a wrong value.

    Example:
        >>> api = Api(keys={"billing": "a key of at least 20 bytes"})
        >>> api.path
        '/api'
    """

    def __init__(
        self,
        *,
        keys: Mapping[str, Secret],
        path: str = "/api",
        rate: Rate | str = "1000/second",
        wrong_keys: Rate | str = "10/minute",
        max_body: int = 1024 * 1024,
        body_timeout: float = 10.0,
        max_messages: int = 1000,
        max_values: int = 50_000,
        max_requests: int = 100,
        confirm_timeout: float = 5.0,
    ) -> None:
        if not path.startswith("/") or path.endswith("/"):
            raise DefinitionError(
                "Api(path=...)",
                expected="a path that begins with / and does not end with one",
                got=repr(path),
                write='path="/api"',
            )
        self.keys = _keys(keys)
        self.path = path
        self.rate = rate_of(rate, subject="Api(rate=...)")
        self.wrong_keys = rate_of(wrong_keys, subject="Api(wrong_keys=...)")
        self.max_body = max_body
        self.body_timeout = body_timeout
        self.max_messages = max_messages
        self.max_values = max_values
        self.max_requests = max_requests
        self.confirm_timeout = confirm_timeout


def _keys(given: Any) -> dict[bytes, str]:
    """Return the names by their keys.

    Raises:
        DefinitionError: A key can't be used. The error does not show it.
    """
    if not isinstance(given, Mapping):
        raise _wrong_keys(type(given).__name__)
    if not given:
        raise _wrong_keys("no key")
    names: dict[bytes, str] = {}
    for name, secret in cast("Mapping[Any, Any]", given).items():
        if not isinstance(name, str) or not name:
            raise _wrong_keys(f"the name {name!r}")
        try:
            secrets = secrets_of(secret)
        except (TypeError, ValueError):
            raise _wrong_keys(f"no such key for {name!r}") from None
        for one in secrets:
            if one in names:
                raise _wrong_keys(f"one key for {names[one]!r} and {name!r}")
            if not one.isascii() or any(byte <= 32 or byte == 127 for byte in one):
                raise _wrong_keys(f"a key for {name!r} that no header can carry")
            names[one] = name
    return names


def _wrong_keys(got: str) -> DefinitionError:
    return DefinitionError(
        "Api(keys=...)",
        expected=f"a name for each key, and keys of at least {MIN_SECRET} visible ASCII characters",
        got=got,
        write='keys={"billing": os.environ["BILLING_KEY"]}',
    )
