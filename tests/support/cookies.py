"""Requests with cookies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bennu import ConnectInfo

__all__ = ["info"]


def info(cookies: Mapping[str, str] | None = None, **scope: Any) -> ConnectInfo:
    """Return the request of a client with cookies."""
    header = "; ".join(f"{name}={quote(value)}" for name, value in (cookies or {}).items())
    whole = {"path": "/", "headers": [(b"cookie", header.encode())], **scope}
    return ConnectInfo(whole, transport="websocket")
