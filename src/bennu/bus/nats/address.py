"""Reads ``nats://`` and ``tls://`` addresses."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from ...errors import DefinitionError
from .subjects import PREFIX, is_prefix

__all__ = ["NATSAddress", "NATSPlace", "read_place"]

PORT: Final = 4222
EXAMPLE: Final = 'pubsub="nats://user:password@one:4222,two:4222"'
FILES: Final = ("ca", "cert", "creds", "key", "nkey")
"""The options that name files."""


@dataclass(frozen=True, slots=True)
class NATSPlace:
    """Where a server listens.

    Attributes:
        host: The name or the IP address.
        port: The port.
        certified: The name in its certificate; None: the host. A cluster announces IP addresses, and its certificates
            hold names.
    """

    host: str
    port: int
    certified: str | None = None


@dataclass(frozen=True, slots=True)
class NATSAddress:
    """What an address says.

    Attributes:
        shown: The servers for the log, without a user and options.
        servers: The servers.
        tls: Whether the connection must be encrypted. If not, the server decides.
        tls_first: Whether the server begins with TLS, before it says anything (``handshake_first``).
        user: The user; None if there is none.
        password: The password; None if there is none.
        token: The token; None if there is none.
        prefix: The first tokens of all subjects.
        files: The paths by option: ``ca`` (PEM, certificate authorities), ``cert`` and ``key`` (PEM, this client's
            certificate), ``creds`` (JWT and seed), ``nkey`` (seed).
    """

    shown: str
    servers: tuple[NATSPlace, ...]
    tls: bool
    tls_first: bool
    user: str | None
    password: str | None
    token: str | None
    prefix: str
    files: dict[str, str]

    def __repr__(self) -> str:
        return f"NATSAddress({self.shown!r})"

    @classmethod
    def parse(cls, address: str) -> NATSAddress:
        """Read an address.

        Raises:
            DefinitionError: The address can't be used.
        """
        scheme, _, rest = address.partition("://")
        shown = f"{scheme}://*** (hidden, because a password can be anywhere in it)"
        place, _, query = rest.partition("?")
        login, at, hosts = place.rpartition("@")
        if "@" in login:
            raise _wrong(shown, "one user for all servers, and %40 for an @ in its password")
        servers = tuple(read_place(host, shown) for host in hosts.removesuffix("/").split(","))
        user, colon, password = login.partition(":")
        options = _options(query, shown)
        prefix = options.pop("prefix", PREFIX)
        if not is_prefix(prefix):
            raise _wrong(
                shown, "a prefix= of letters, digits, - and _, with dots between its parts"
            )
        first = options.pop("tls_first", "0")
        if first not in ("0", "1"):
            raise _wrong(shown, "tls_first=1, or no tls_first")
        if ("cert" in options) != ("key" in options):
            raise _wrong(shown, "cert= and key= together")
        if bool(at) + ("creds" in options) + ("nkey" in options) > 1:
            raise _wrong(shown, "one of user and password, token, creds= and nkey=")
        return cls(
            shown=f"{scheme}://{hosts}",
            servers=servers,
            tls=scheme.lower() == "tls" or first == "1",
            tls_first=first == "1",
            user=unquote(user) if colon else None,
            password=unquote(password) if colon else None,
            token=unquote(login) if at and not colon else None,
            prefix=prefix,
            files=options,
        )

    def ssl_context(self) -> ssl.SSLContext:
        """Read the certificates.

        Raises:
            DefinitionError: A file can't be read.
        """
        try:
            context = ssl.create_default_context(cafile=self.files.get("ca"))
            if "cert" in self.files:
                context.load_cert_chain(self.files["cert"], self.files["key"])
        except OSError as error:
            raise _wrong(
                self.shown, "certificates in the files of ca=, cert= and key=", str(error)
            ) from error
        return context


def read_place(text: str, shown: str) -> NATSPlace:
    """Read the place of one server.

    Args:
        text: ``host``, ``host:port``, ``[::1]:4222``.
        shown: The address for an error.

    Raises:
        DefinitionError: The text is no place.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(PORT)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    valid = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65_536
    if not valid or not bare or set(bare) & set("[]/ ") or (bare == host and ":" in host):
        raise _wrong(
            shown,
            "hosts with their ports, and commas between them; in a password, %3F for a ?, %2F for a /",
        )
    return NATSPlace(bare, int(port))


def _options(query: str, shown: str) -> dict[str, str]:
    known = (*FILES, "prefix", "tls_first")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not options.keys() <= set(known) or not all(options.values()):
        raise _wrong(shown, f"after the question mark: {', '.join(f'{one}=' for one in known)}")
    return options


def _wrong(shown: str, expected: str, got: str | None = None) -> DefinitionError:
    return DefinitionError(
        "the address of the bus", expected=expected, got=got or shown, write=EXAMPLE
    )
