"""The servers of an AsyncAPI document: one for each transport of a socket, and the credentials that it takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from .draft7 import PREFIX, Schema
from .model import Contract, SocketContract
from .names import slug, unique_names
from .schemas import Schemas

__all__ = ["DEFAULT_SERVER", "Servers", "described"]

DEFAULT_SERVER: Final = "ws://localhost:4000"
SECRET: Final = re.compile(r"token|jwt|api_?key|secret|password", re.IGNORECASE)
"""Parameters of a connect that are credentials."""
VARIABLE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

Reference = dict[str, str]


class Servers:
    """The servers of a contract.

    Args:
        contract: The contract.
        schemas: The schemas of its types.
        url: The URL below which the endpoint is served.

    Attributes:
        names: A name for each socket, by its path.
        security: The credentials, by their names, after a call of :meth:`servers`.

    Raises:
        ValueError: ``url`` is no URL that begins with ``ws://`` or ``wss://``.
    """

    def __init__(self, contract: Contract, schemas: Schemas, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.netloc:
            raise ValueError(
                f"expected a URL that begins with ws:// or wss://, got {url!r}: write {DEFAULT_SERVER}"
            )
        self._contract = contract
        self._schemas = schemas
        self._host, self._prefix = parts.netloc, parts.path.rstrip("/")
        self._is_secure = parts.scheme == "wss"
        names = unique_names(slug(one.path.strip("/") or "socket") for one in contract.sockets)
        self.names = dict(zip((one.path for one in contract.sockets), names, strict=True))
        self.security: dict[str, Any] = {}

    def names_of(self, socket: SocketContract) -> list[str]:
        """Return the name of each server of a socket: one for each transport."""
        name = self.names[socket.path]
        return [name if one == "websocket" else f"{name}_{one}" for one in socket.transports]

    def servers(self) -> dict[str, Any]:
        """Return the servers, by their names."""
        servers: dict[str, Any] = {}
        for socket in self._contract.sockets:
            name = self.names[socket.path]
            security = self._security_of(name, socket)
            for transport, path in socket.transports.items():
                is_ws = transport == "websocket"
                protocol = ("ws" if is_ws else "http") + ("s" if self._is_secure else "")
                variables = {
                    one: {"description": "A parameter of `connect`."}
                    for one in VARIABLE.findall(path)
                }
                servers[name if is_ws else f"{name}_{transport}"] = {
                    "host": self._host,
                    "pathname": self._prefix + path,
                    "protocol": protocol,
                    **described(socket.text),
                    **({"variables": variables} if variables else {}),
                    **({"security": security} if security else {}),
                    "x-bennu": {
                        "socket": socket.path,
                        "transport": transport,
                        "raw": socket.is_raw,
                        "reasons": [one.text for one in socket.reasons],
                        "refusals": [*socket.refusals],
                        "limits": dict(socket.limits),
                    },
                }
        return servers

    def _security_of(self, name: str, socket: SocketContract) -> list[Reference]:
        found: dict[str, dict[str, str]] = {}
        if socket.auth_token:
            found[f"{name}_auth_token"] = _http_key(
                "header",
                "Sec-WebSocket-Protocol",
                "`phoenix, base64url.bearer.phx.TOKEN`, with the token in base64url. phoenix.js sends its `authToken` so.",
            )
        if socket.has_session:
            found["_".join((name, "session"))] = _http_key(
                "cookie", "session", "The session cookie of the page."
            )
        if socket.needs_csrf:
            found[f"{name}_csrf"] = _http_key(
                "query", "_csrf_token", "The token of the page, beside its session."
            )
        for parameter in self._fields(socket.params):
            if SECRET.search(parameter):
                found[f"{name}_{slug(parameter)}"] = _http_key(
                    "query", parameter, "A parameter of the connect."
                )
        self.security |= found
        return [{"$ref": f"#/components/securitySchemes/{one}"} for one in found]

    def _fields(self, kind: Any) -> Mapping[str, Schema]:
        """Return the properties of the type of the parameters."""
        schema = self._schemas.schema(kind, "in")
        while "$ref" in schema:
            schema = self._schemas.components[schema["$ref"].removeprefix(PREFIX)]
        found: Mapping[str, Schema] = schema.get("properties", {})
        return found

    def binding(self, socket: SocketContract) -> dict[str, Any]:
        """Return what a WebSocket of a socket needs in its request."""
        query = self._schemas.schema(socket.params, "in")
        own: Schema = {
            "type": "object",
            "properties": {"vsn": {"type": "string", "enum": ["1.0.0", "2.0.0"]}},
        }
        if "$ref" in query or query.get("properties"):
            own = {"type": "object", "allOf": [own, query], "properties": {}}
        headers: Schema = {
            "type": "object",
            "properties": {"Sec-WebSocket-Protocol": {"type": "string"}},
        }
        needs_header = socket.auth_token or bool(socket.subprotocols)
        return {
            "ws": {
                "method": "GET",
                "query": own,
                **({"headers": headers} if needs_header else {}),
                "bindingVersion": "0.1.0",
            }
        }


def described(text: str) -> dict[str, str]:
    """Return the field ``description``, if there is a text."""
    return {"description": text} if text else {}


def _http_key(where: str, name: str, description: str) -> dict[str, str]:
    return {"type": "httpApiKey", "in": where, "name": name, "description": description}
