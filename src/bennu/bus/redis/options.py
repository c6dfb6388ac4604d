"""Reads the addresses of Redis: where its servers are, and how to log in.

Theory of operation
-------------------
==================================================  ==================================================
address                                             what it means
==================================================  ==================================================
``redis://user:password@cache:6379``                one server; the default port is 6379
``redis://a:6379,b:6379``                           independent servers
``redis+unix:///run/redis.sock``                    one server, by its Unix socket
``redis+sentinel://a:26379,b:26379/SERVICE``        the primary that Sentinels name; default port 26379
``redis+cluster://a:6379,b:6379``                   a cluster; any of its servers can be named
``rediss://``, ``rediss+sentinel://``, …            the same over TLS
==================================================  ==================================================

Each host is read by redis-py's ``parse_url``, so users, passwords and TLS are written as its users know them. Only the
parameters of :data:`PARAMETERS` are allowed: a typo must not turn off a check in silence.

An error never shows the address as it was written, because a password with a special character can be anywhere in it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio.connection import parse_url

from ...errors import DefinitionError
from ..address import without_password

__all__ = ["RedisOptions", "RedisPlace", "read_address"]

PREFIX: Final = "bennu"
PORT: Final = 6379
SENTINEL_PORT: Final = 26379
TIMEOUT: Final = 3.0
"""Less than the adapter waits for all that ``connect`` does, so that a second server can be tried."""

PARAMETERS: Final = frozenset(
    [
        "client_name",
        "db",
        "password",
        "prefix",
        "sentinel_password",
        "sentinel_username",
        "socket_connect_timeout",
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
        "ssl_password",
        "username",
    ]
)
"""The parameters of an address, by their names in redis-py; ``prefix`` and the two of Sentinel are ours."""

CERT_REQS: Final = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

TLS: Final = {"rediss", "rediss+sentinel", "rediss+cluster"}


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """Where a server listens.

    Attributes:
        host: The name or IP address of the host; empty for a Unix socket.
        port: The port.
        path: The path of the Unix socket.
    """

    host: str = ""
    port: int = PORT
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """How to log in to the servers of one address.

    Attributes:
        name: The address without secrets, for the log.
        username: The user; None for ``default``.
        password: The password; None for a server without passwords.
        db: The number of the database. Pub/sub is the same in all databases.
        client_name: The name of the connection, in ``CLIENT LIST``; None for no name.
        timeout: Seconds in which a connection must be made and have logged in.
        tls: The context of TLS; None for a connection without TLS.
    """

    name: str
    username: str | None = None
    password: str | None = None
    db: int = 0
    client_name: str | None = None
    timeout: float = TIMEOUT
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"RedisOptions({self.name!r})"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """What an address says.

    Attributes:
        kind: ``redis``, ``sentinel`` or ``cluster``.
        places: The servers; the Sentinels for ``sentinel``.
        options: How to log in to the servers.
        prefix: What the names of all channels begin with.
        service: The name of the primary that the Sentinels watch; empty for other kinds.
        sentinels: How to log in to the Sentinels; None for other kinds.
    """

    kind: str
    places: tuple[RedisPlace, ...]
    options: RedisOptions
    prefix: str = PREFIX
    service: str = ""
    sentinels: RedisOptions | None = None


def read_address(address: str) -> RedisAddress:
    """Read an address.

    Raises:
        DefinitionError: The address can't be used. Its text shows no secret.
    """
    reader = _AddressReader(address)
    try:
        return reader.read()
    except DefinitionError:
        raise
    except (ValueError, OSError) as error:
        # `from None`: the text of a ValueError can be a part of the password.
        reason = str(error) if isinstance(error, OSError) else "a part that can't be read"
        raise reader.problem("an address of Redis", reason) from None


class _AddressReader:
    """Reads one address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def problem(self, expected: str, got: str) -> DefinitionError:
        return DefinitionError(
            f"the bus {without_password(self.address)}",
            expected=expected,
            got=got,
            write="redis://user:password@cache:6379, with %40 for @, %2F for /, %3F for ? and %23 for # in the password",
        )

    def read(self) -> RedisAddress:
        parts = urlsplit(self.address)
        scheme = parts.scheme.lower()
        kind = scheme.partition("+")[2] or "redis"
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        allowed = {
            one
            for one in PARAMETERS
            if (scheme in TLS or not one.startswith("ssl_"))
            and (kind == "sentinel" or not one.startswith("sentinel_"))
        }
        if unknown := sorted(query.keys() - allowed):
            expected = f"parameters of {scheme}:// ({', '.join(sorted(allowed))})"
            raise self.problem(expected, ", ".join(unknown))
        if parts.fragment:
            raise self.problem("an address without #", "a # (in a password, write %23)")
        tls = _context(query) if scheme in TLS else None
        prefix = query.pop("prefix", PREFIX)
        if kind == "unix":
            return self._unix(prefix)
        base = "redis" if tls is None else "rediss"
        user, at, hosts = parts.netloc.rpartition("@")
        path, service = parts.path, ""
        if kind == "sentinel":
            service, _, db = path.strip("/").partition("/")
            path = f"/{db}"
            if not service:
                raise self.problem("the name of the primary after the hosts: /SERVICE", "no name")
        port = SENTINEL_PORT if kind == "sentinel" else PORT
        found: list[RedisPlace] = []
        login: dict[str, Any] = {}
        for host in hosts.split(","):
            # Brackets: a comma at the end makes a host without a name.
            if not host.strip() or "@" in user + host:
                raise self.problem("host:port, separated by commas", "a host without a name")
            url = urlunsplit((base, f"{user}{at}{host.strip()}", path, urlencode(query), ""))
            login = dict(parse_url(url))
            found.append(RedisPlace(str(login.get("host", "")), int(login.get("port", port))))
        if path.strip("/") and "db" not in login:
            raise self.problem("the number of a database after the hosts", "another path")
        name = f"{scheme}://{','.join(map(str, found))}{f'/{service}' if service else ''}"
        options = self._options(name, login, tls)
        if kind != "sentinel":
            return RedisAddress(kind, tuple(found), options, prefix)
        guards = {
            "username": query.get("sentinel_username"),
            "password": query.get("sentinel_password"),
            "client_name": options.client_name,
            "socket_connect_timeout": options.timeout,
        }
        return RedisAddress(
            kind,
            tuple(found),
            options,
            prefix,
            service,
            self._options(f"{name} (Sentinel)", guards, tls),
        )

    def _unix(self, prefix: str) -> RedisAddress:
        login = dict(parse_url("unix" + self.address.partition("+unix")[2]))
        path = str(login.get("path", ""))
        if not path.strip("/"):
            raise self.problem("the path of a Unix socket: redis+unix:///run/redis.sock", "no path")
        place = RedisPlace(path=path)
        options = self._options(f"redis+unix://{path}", login, None)
        return RedisAddress("redis", (place,), options, prefix)

    def _options(
        self, name: str, login: dict[str, Any], tls: ssl.SSLContext | None
    ) -> RedisOptions:
        client_name = login.get("client_name")
        if client_name is not None and not _is_name(client_name):
            raise self.problem("a client_name without spaces", "a name that Redis refuses")
        timeout = float(login.get("socket_connect_timeout", TIMEOUT))
        if not timeout > 0:
            raise self.problem("a socket_connect_timeout above 0", f"{timeout:g}")
        username, password = login.get("username"), login.get("password")
        if username and password is None:
            raise self.problem("a password after the user: user:password@", "a user alone")
        return RedisOptions(
            name, username or None, password, int(login.get("db", 0)), client_name, timeout, tls
        )


def _is_name(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _context(query: dict[str, str]) -> ssl.SSLContext:
    """Return the context of TLS. The certificate of the server is checked, unless the address turns that off."""
    context = ssl.create_default_context(
        cafile=query.get("ssl_ca_certs"), capath=query.get("ssl_ca_path")
    )
    if query.get("ssl_check_hostname", "true").lower() in ("0", "f", "false", "n", "no"):
        context.check_hostname = False
    reqs = query.get("ssl_cert_reqs", "required")
    if reqs == "none":
        context.check_hostname = False
    context.verify_mode = CERT_REQS.get(reqs, ssl.CERT_REQUIRED)
    if reqs not in CERT_REQS:
        raise ValueError(reqs)
    if (certfile := query.get("ssl_certfile")) is not None:
        context.load_cert_chain(certfile, query.get("ssl_keyfile"), query.get("ssl_password"))
    return context
