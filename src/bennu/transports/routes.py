"""Which socket a path leads to. Protocol document, §1.1.

The path of a request is relative to ``root_path``, so that a mounted endpoint needs not know where.
Empty segments are ignored; a segment ``{name}`` is a variable, exposed unless it begins with ``_``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._origin_check import OriginCheck
from ..errors import DefinitionError
from ..socket import SocketBase
from .handshake import Target

__all__ = ["Routes", "match", "relative_path", "segments_of"]

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Routes:
    """The sockets of an endpoint.

    Args:
        sockets: By mount path.
        origin_check: The endpoint's policy, for sockets that have none.

    Raises:
        DefinitionError: A path or a socket can't work.
    """

    def __init__(self, sockets: Mapping[str, SocketBase[Any]], origin_check: OriginCheck) -> None:
        self._literal: dict[tuple[str, ...], Target] = {}
        self._variable: list[tuple[tuple[str, ...], Target]] = []
        self._cache: dict[str, Target] = {}
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
            self._enter(f"{mount}/{socket.path}", Target(socket, mount, {}, check))
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

    def find(self, scope: Mapping[str, Any]) -> Target | None:
        """Return what the path of a request leads to, or None."""
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


def relative_path(scope: Mapping[str, Any]) -> str:
    """Return the path of a request, relative to what the application is mounted on."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and f"{path}/".startswith(f"{root.rstrip('/')}/"):
        return path[len(root.rstrip("/")) :]
    return path


def segments_of(path: str) -> tuple[str, ...]:
    """Return the segments of a path; empty ones are ignored."""
    return tuple(segment for segment in path.split("/") if segment)


def match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    """Return the variables of a path that has this pattern, or None if it has another."""
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
