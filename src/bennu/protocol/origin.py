"""Which pages may connect: the Origin header. Protocol document, §1.9.

A browser sends the Origin header and can't forge it; whatever is no browser sends none, or what it
likes. So the check keeps other sites from using a visitor's cookies, and nothing else.

====================  ===================================================================
policy                a page may connect if
====================  ===================================================================
``"host"`` (default)  its host is the one of the Host header (the same page, any port)
``"conn"``            scheme, host and port are those of the request
a list                any entry fits: ``https://h`` fixes scheme and port, ``//h`` only the
                      host, ``//h:88`` host and port, ``//*.h`` h and its subdomains
``False``             always
====================  ===================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import SplitResult, urlsplit

from ..errors import DefinitionError

__all__ = ["Origin", "Policy", "Requested", "compile_policy"]

Policy = Literal["host", "conn", False] | Sequence[str]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """A parsed Origin header.

    Attributes:
        text: The header as it came.
        scheme: In lower case, or None.
        host: In lower case, or None: ``null``, ``file://`` and the empty origin have none.
        port: As given, else the default of the scheme, else None.
    """

    text: str
    scheme: str | None
    host: str | None
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read a header; text that is no origin has no host."""
        parts, port = _split(text)
        if parts is None:
            return cls(text, None, None, None)
        return cls(text, parts.scheme or None, parts.hostname or None, port)


@dataclass(frozen=True, slots=True)
class Requested:
    """What the request itself was sent to.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Host header without port, in lower case.
        port: Port of the Host header, else the default of the scheme.
    """

    scheme: str
    host: str | None
    port: int | None

    @classmethod
    def parse(cls, scheme: str, host_header: str | None) -> Requested:
        """Read the Host header."""
        scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        parts, port = _split(f"{scheme}://{host_header or ''}")
        return cls(scheme, parts.hostname if parts else None, port)


Check = Callable[[Origin, Requested], bool]


def compile_policy(policy: object) -> Check:
    """Return the check that a policy stands for.

    Raises:
        DefinitionError: It is none of the table above, or an entry has no host.
    """
    if policy is False:
        return lambda origin, requested: True
    if policy == "host":
        return lambda origin, requested: origin.host is not None and origin.host == requested.host
    if policy == "conn":
        return _same_connection
    if isinstance(policy, Sequence) and not isinstance(policy, str | bytes):
        entries = [_AllowedOrigin.parse(entry) for entry in cast("Sequence[object]", policy)]
        return lambda origin, requested: any(entry.fits(origin) for entry in entries)
    raise DefinitionError(
        "check_origin",
        expected='"host", "conn", False, a list of origins or a function of the origin',
        got=repr(policy),
        write='check_origin=["https://example.com", "//*.example.com"]',
    )


def _same_connection(origin: Origin, requested: Requested) -> bool:
    return (origin.scheme, origin.host, origin.port) == (
        requested.scheme,
        requested.host,
        requested.port,
    ) and origin.host is not None


@dataclass(frozen=True, slots=True)
class _AllowedOrigin:
    scheme: str | None
    host: str
    port: int | None
    wildcard: bool

    @classmethod
    def parse(cls, text: object) -> _AllowedOrigin:
        parts, port = _split(text) if isinstance(text, str) else (None, None)
        host = parts.hostname if parts is not None else None
        if parts is None or not host or "*" in host.removeprefix("*.") or host == "*.":
            raise DefinitionError(
                "check_origin",
                expected='entries with a host, "*." only at its beginning',
                got=repr(text),
                write=f'"//{text}"',
            )
        wildcard = host.startswith("*.")
        return cls(parts.scheme or None, host.removeprefix("*."), port, wildcard)

    def fits(self, origin: Origin) -> bool:
        if origin.host is None:
            return False
        if self.scheme is not None and self.scheme != origin.scheme:
            return False
        if self.port is not None and self.port != origin.port:
            return False
        return origin.host == self.host or (self.wildcard and origin.host.endswith("." + self.host))


def _split(text: str) -> tuple[SplitResult | None, int | None]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None, None
    if port is None:
        port = _DEFAULT_PORTS.get(parts.scheme)
    return parts, port
