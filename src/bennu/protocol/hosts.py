"""Checks the Host header of a request against the hosts that an endpoint serves.

A page can only connect if its origin fits the Host header (:mod:`bennu.protocol.origin`). If that header can hold any
name, an attacker can point ``evil.example`` at this server, and pages of ``evil.example`` fit: this is DNS rebinding.
So an endpoint can be told its hosts.

====================  =======================================================================
entry                 a request is served if
====================  =======================================================================
``example.com``       its host is this name, in upper or lower case, with any port
``*.example.com``     its host ends with ``.example.com``; ``example.com`` itself does not fit
``192.0.2.1, ::1``    its host is this address, in any spelling
``*``                 its Host header is any valid host
====================  =======================================================================

A request without a Host header, with two of them, or with an invalid host is malformed, and fits no entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, cast

from ..errors import DefinitionError

__all__ = ["LOOPBACK", "HostVerdict", "Hosts", "is_loopback"]

Address = IPv4Address | IPv6Address

_HEADER: Final = re.compile(
    r"(?:([A-Za-z0-9._-]{1,254})|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?"
)
_LABELS: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_MAX_PORT: Final = 65_535
_AMBIGUOUS: Final = frozenset("ß\u03c2\u200c\u200d")
"""Characters that browsers keep in a host name, and Python's IDNA codec replaces."""

WRITE: Final = 'hosts=["example.com", "*.example.com"]'


class HostVerdict(Enum):
    """The result of checking a Host header."""

    FITS = auto()
    FOREIGN = auto()
    MALFORMED = auto()


class Hosts:
    """The hosts that an endpoint serves.

    Args:
        names: Entries as in the table above.

    Raises:
        DefinitionError: An entry is not a host, or there is no entry.
    """

    def __init__(self, names: Sequence[str]) -> None:
        entries: list[object] = list(cast("Iterable[object]", names)) if _is_list(names) else []
        if not entries:
            raise _error(repr(names), "a list with at least one host")
        self._all = "*" in entries
        self._exact: set[str | Address] = set()
        self._endings: list[str] = []
        for entry in entries:
            if entry != "*":
                self._enter(entry)
        self.text = ", ".join(map(str, entries))

    def _enter(self, entry: object) -> None:
        if not isinstance(entry, str):
            raise _error(repr(entry))
        address = _address(entry.removeprefix("[").removesuffix("]"))
        if address is not None:
            self._exact.add(address)
            return
        is_wild = entry.startswith("*.")
        name = _ascii(entry.removeprefix("*.")).removesuffix(".")
        if not _LABELS.fullmatch(name):
            raise _error(repr(entry), write=_suggest(entry))
        if is_wild:
            self._endings.append(f".{name}")
        else:
            self._exact.add(name)

    def judge(self, headers: Sequence[str]) -> HostVerdict:
        """Return whether a request's Host header fits.

        Args:
            headers: All Host headers of the request. A valid request has one.
        """
        host = parse_host(headers[0]) if len(headers) == 1 else None
        if host is None:
            return HostVerdict.MALFORMED
        if self._all or host in self._exact:
            return HostVerdict.FITS
        if isinstance(host, str) and any(host.endswith(ending) for ending in self._endings):
            return HostVerdict.FITS
        return HostVerdict.FOREIGN


def parse_host(header: str) -> str | Address | None:
    """Return the host of a Host header without its port: a lower-case name or an address; None if it is invalid.

    Example:
        >>> parse_host("Example.COM.:8443"), parse_host("a b")
        ('example.com', None)
    """
    found = _HEADER.fullmatch(header)
    if found is None or (found[3] and int(found[3]) > _MAX_PORT):
        return None
    if found[1] is None:
        address = _address(found[2])
        return address if isinstance(address, IPv6Address) else None
    name = found[1].lower().removesuffix(".")
    return _address(name) or (name if _LABELS.fullmatch(name) else None)


def is_loopback(address: object) -> bool:
    """Return whether an address is a loopback address, which only this machine can reach.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("10.0.0.1"), is_loopback(None)
        (True, True, False, False)
    """
    found = _address(address) if isinstance(address, str) else None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found is not None and found.is_loopback


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_list(names: object) -> bool:
    return isinstance(names, Iterable) and not isinstance(names, str | bytes)


def _ascii(name: str) -> str:
    """Return a name as a browser writes it in a Host header; a name without such a form is returned unchanged."""
    if name.isascii() or _AMBIGUOUS & set(name):
        return name.lower()
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return name


def _suggest(entry: str) -> str:
    """Return the code to write instead of an invalid entry."""
    host = entry.rpartition("//")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    if _AMBIGUOUS & set(entry):
        return 'hosts=["xn--..."], the name as browsers send it'
    found = _ascii(host.removeprefix("*."))
    return f'hosts=["{host}"]' if host != entry and _LABELS.fullmatch(found) else WRITE


def _error(
    got: str,
    expected: str = 'hosts without scheme, port and path; "*." only at the beginning',
    write: str = WRITE,
) -> DefinitionError:
    return DefinitionError("Endpoint(hosts=...)", expected=expected, got=got, write=write)


class _Loopback(Hosts):
    """This machine's local names, and any loopback address."""

    def judge(self, headers: Sequence[str]) -> HostVerdict:
        verdict = super().judge(headers)
        if verdict is HostVerdict.FOREIGN and is_loopback(str(parse_host(headers[0]))):
            return HostVerdict.FITS
        return verdict


LOOPBACK: Final = _Loopback(["localhost", "*.localhost", "127.0.0.1", "::1"])
"""The hosts that a listener on a loopback address serves in development."""
