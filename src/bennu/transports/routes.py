"""Finds the socket of a request's path. Protocol document, §1.1.

The path of a request is relative to ``root_path``, so an endpoint need not know where it is mounted. Empty segments
are ignored. A segment ``{name}`` is a variable. A variable whose name begins with ``_`` is not given to the socket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ..channel import Channel
from ..errors import DefinitionError
from ..origin_check import OriginCheck
from ..server.request import Target
from ..socket import SocketBase

__all__ = ["Routes", "expect_sockets", "match", "relative_path", "segments_of"]

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Routes:
    """The paths of an endpoint's sockets.

    Args:
        sockets: The sockets by mount path.
        origin_check: The endpoint's check of origins, for sockets without their own check.

    Raises:
        DefinitionError: A path or a socket has a mistake.
    """

    def __init__(self, sockets: Mapping[str, SocketBase[Any]], origin_check: OriginCheck) -> None:
        self._literal: dict[tuple[str, ...], Target] = {}
        self._variable: list[tuple[tuple[str, ...], Target]] = []
        self._cache: dict[str, Target] = {}
        self._websockets: list[str] = []
        for mount, socket in sockets.items():
            if not isinstance(socket, SocketBase):
                raise DefinitionError(
                    f'Endpoint(sockets={{"{mount}": ...}})',
                    expected="a Socket or RawSocket",
                    got=repr(socket),
                    write=f'"{mount}": Socket(connect=..., channels=...)',
                )
            socket.define()
            check = origin_check if socket.origin_check is None else socket.origin_check
            if socket.websocket:
                path = f"{mount}/{socket.path}"
                self._enter(path, Target(socket, mount, {}, check))
                self._websockets.append("/" + "/".join(segments_of(path)))
            longpoll = socket.longpoll
            if longpoll is not None:
                self._enter(f"{mount}/{longpoll.path}", Target(socket, mount, {}, check, longpoll))

    def _enter(self, path: str, target: Target) -> None:
        segments = segments_of(path)
        if segments in self._literal or any(segments == one for one, _ in self._variable):
            raise DefinitionError(
                f'the path "{path}" of a socket',
                expected="a path of its own for each socket",
                got="two sockets under it",
                write='sockets={"/socket": user_socket, "/admin": admin_socket}',
            )
        if "{" not in path and "}" not in path:
            self._literal[segments] = target
            self._cache["/" + "/".join(segments)] = target
            return
        for segment in segments:
            if ("{" in segment or "}" in segment) and not _VARIABLE.fullmatch(segment):
                raise DefinitionError(
                    f'the path "{path}" of a socket',
                    expected="segments that are text or one {name}",
                    got=segment,
                    write='"/ws/{tenant}"',
                )
        self._variable.append((segments, target))

    @property
    def described(self) -> str:
        """The paths of WebSockets, as text for a log."""
        return ", ".join(self._websockets) or "none"

    def mounts(self) -> dict[str, list[str]]:
        """Return the transports of each mount path."""
        found: dict[str, list[str]] = {}
        for target in (*self._literal.values(), *(target for _, target in self._variable)):
            transport = "websocket" if target.longpoll is None else "longpoll"
            found.setdefault(target.mount, []).append(transport)
        return found

    def find(self, scope: Mapping[str, Any]) -> Target | None:
        """Return the target of a request's path; None if no socket has this path."""
        path = relative_path(scope)
        found = self._cache.get(path)
        if found is not None:
            return found
        segments = segments_of(path)
        found = self._literal.get(segments)
        if found is not None:
            return found
        for pattern, target in self._variable:
            variables = match(pattern, segments)
            if variables is not None:
                return replace(target, variables=variables)
        return None


def expect_sockets(given: Any) -> None:
    """Refuse an invalid ``Endpoint(sockets=...)``.

    Args:
        given: The value that the user gave.

    Raises:
        DefinitionError: The value is no mapping, a path does not begin with a slash, or a socket is a class.
    """
    if not isinstance(given, Mapping):
        raise DefinitionError(
            "Endpoint(...)",
            expected="sockets by the path of their mount",
            got=repr(given),
            write='Endpoint(sockets={"/socket": socket})',
        )
    for path, socket in cast("Mapping[Any, Any]", given).items():
        if not isinstance(path, str) or not path.startswith("/"):
            raise DefinitionError(
                f"Endpoint(sockets={{{path!r}: ...}})",
                expected="a path that begins with a slash",
                got=repr(path),
                write=f'sockets={{"/{path}": ...}}' if path else 'sockets={"/socket": ...}',
            )
        if isinstance(socket, type) and issubclass(socket, SocketBase | Channel):
            kind = socket.__name__ if issubclass(socket, SocketBase) else "Socket"
            raise DefinitionError(
                f'Endpoint(sockets={{"{path}": ...}})',
                expected="a Socket or RawSocket: an object, not a class",
                got=repr(cast("type[Any]", socket)),
                write=f'"{path}": {kind}(connect=..., channels={{"room:{{room_id}}": RoomChannel}})',
            )


def relative_path(scope: Mapping[str, Any]) -> str:
    """Return the path of a request, relative to the mount of the application.

    In ASGI the path begins with the whole ``root_path``. If a proxy has removed a prefix that is in ``root_path``
    (``FastAPI(root_path="/api")``, ``hypercorn --root-path /api``), the path begins with the rest of ``root_path``.

    Example:
        >>> relative_path({"path": "/api/rt/socket", "root_path": "/api/rt"})
        '/socket'
        >>> relative_path({"path": "/rt/socket", "root_path": "/api/rt"})
        '/socket'
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root:
        return path
    if f"{path}/".startswith(f"{root.rstrip('/')}/"):
        return path[len(root.rstrip("/")) :]
    segments = segments_of(root)
    for start in range(1, len(segments)):
        rest = "/" + "/".join(segments[start:])
        if f"{path}/".startswith(f"{rest}/"):
            return path[len(rest) :]
    return path


def segments_of(path: str) -> tuple[str, ...]:
    """Return the segments of a path, without empty segments."""
    return tuple(segment for segment in path.split("/") if segment)


def match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    """Return the variables of a path; None if the path does not match the pattern.

    Args:
        pattern: The segments of a mount path; ``{name}`` is a variable.
        segments: The segments of the path.
    """
    if len(pattern) != len(segments):
        return None
    variables: dict[str, str] = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected[0] == "{":
            name = expected[1:-1]
            if not name.startswith("_"):
                variables[name] = segment
        elif expected != segment:
            return None
    return variables
