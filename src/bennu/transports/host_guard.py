"""Refuses requests for hosts that the endpoint does not serve: see :mod:`bennu.protocol.hosts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..connect_info import AUTHORITY
from ..logs.log import Log
from ..protocol.hosts import LOOPBACK, Hosts, HostVerdict, is_loopback
from ..server.request import Denied

__all__ = ["HostGuard"]


FOREIGN: Final = Denied(403, b"Forbidden host")
MALFORMED: Final = Denied(400, b"A request needs one Host header that names a host")


class HostGuard:
    """Refuses requests for hosts that the endpoint does not serve.

    Args:
        hosts: The hosts of the endpoint; None means all hosts in production.
        log: The log of the endpoint.
        debug: Whether this is development. Then, if ``hosts`` is None, a listener on a loopback address serves only
            loopback names.
    """

    def __init__(self, hosts: Hosts | None, log: Log, *, debug: bool) -> None:
        self._hosts = hosts
        self._log = log
        self._debug = debug

    def refuse(self, scope: Mapping[str, Any], mount: str) -> Denied | None:
        """Return the answer that refuses a request, and log the refusal; None if the request is not refused.

        Args:
            scope: The ASGI scope, with the values of trusted proxies.
            mount: The mount path of the request's socket, for the log.
        """
        found: list[bytes] = [value for name, value in scope["headers"] if name == b"host"]
        if len(found) > 1:
            return self._refuse_malformed(mount, found)
        hosts = self._hosts
        if hosts is None:
            if not self._debug or not _listens_on_loopback(scope):
                return None
            hosts = LOOPBACK
        authority: str | None = scope.get(AUTHORITY)
        headers = [value.decode("latin-1") for value in found] if authority is None else [authority]
        verdict = hosts.judge(headers)
        if verdict is HostVerdict.FITS:
            return None
        if verdict is HostVerdict.MALFORMED:
            return self._refuse_malformed(mount, found)
        self._log.warning(
            "Refusing a request to %s for the host %r: this endpoint serves %s%s."
            ' If that host is yours, write Endpoint(hosts=["%s"])',
            mount,
            headers[0],
            hosts.text,
            "" if self._hosts is not None else " (the rule in development)",
            headers[0].rpartition(":")[0] or headers[0],
        )
        return FOREIGN

    def _refuse_malformed(self, mount: str, found: list[bytes]) -> Denied:
        self._log.warning(
            "Refusing a request to %s: it needs one Host header that names a host, and has %s",
            mount,
            found,
        )
        return MALFORMED


def _listens_on_loopback(scope: Mapping[str, Any]) -> bool:
    server = scope.get("server")
    return server is not None and is_loopback(server[0])
