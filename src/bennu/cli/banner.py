"""The lines that ``bennu run`` logs after the start: the version, the addresses, and the paths of the sockets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final, cast

from ..endpoint import Endpoint
from ..server.drain import started_endpoints

__all__ = ["banner", "mounted_endpoints", "socket_lines"]

INDENT: Final = " " * 10
"""The width of the level in uvicorn's lines."""

DEPTH: Final = 20
"""Levels of nested applications that are searched for endpoints."""


def banner(addresses: Sequence[str], sockets: Sequence[str], workers: int = 1) -> str:
    """Return the lines as one text.

    Args:
        addresses: The addresses of the listeners.
        sockets: The lines about sockets: :func:`socket_lines`.
        workers: The number of processes that serve.
    """
    several = f" with {workers} workers" if workers > 1 else ""
    first = f"Bennu {version('bennu')} running on {', '.join(addresses)}{several} (Press CTRL+C to quit)"
    return first + "".join(f"\n{INDENT}{line}" for line in sockets)


def socket_lines(app: Any, root_path: str = "") -> list[str]:
    """Return a line for each socket of the started endpoints: its path and its transports.

    Args:
        app: The application that is served.
        root_path: The prefix of all paths, as clients see them.
    """
    rows: list[tuple[str, str]] = []
    found = dict(mounted_endpoints(app))
    for endpoint in started_endpoints():
        prefix = found.get(endpoint)
        before = "..." if prefix is None else root_path.rstrip("/") + prefix
        rows += [(before + mount, ", ".join(names)) for mount, names in endpoint.mounts.items()]
    if not rows:
        return [
            "no socket: no endpoint was started. To mount one, write FastAPI(lifespan=endpoint.lifespan())"
        ]
    width = max(len(path) for path, _ in rows)
    return [f"{path:<{width}}  {names}" for path, names in rows]


def mounted_endpoints(app: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[Endpoint, str]]:
    """Yield each endpoint in an application, and the path at which it is mounted.

    Args:
        app: An endpoint, or an application that wraps or mounts endpoints.
        prefix: The path of the application. Default: none.
        depth: How many applications it is mounted in. Default: 0.
    """
    if isinstance(app, Endpoint):
        yield app, prefix
        return
    if depth > DEPTH:
        return
    wrapped = getattr(app, "bennu_endpoint", None)
    if isinstance(wrapped, Endpoint):
        yield wrapped, prefix
    found = getattr(app, "routes", None)
    routes = cast("Sequence[Any]", found) if isinstance(found, list | tuple) else None
    for route in routes or ():
        inner = getattr(route, "app", None)
        if inner is not None and type(route).__name__ in ("Mount", "Host"):
            yield from mounted_endpoints(inner, prefix + getattr(route, "path", ""), depth + 1)
    inner = getattr(app, "app", None)
    if inner is not None and inner is not app and routes is None:
        yield from mounted_endpoints(inner, prefix, depth + 1)
