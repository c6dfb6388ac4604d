"""Recordings for the tests, made of frames."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from bennu.inspect import Recording

from ..support.frames import Frame

__all__ = ["close", "recording", "said"]


def said(side: str, frame: Frame | str | bytes, at: float = 0.0, **more: Any) -> dict[str, Any]:
    """Return a line of a recording."""
    line: dict[str, Any] = {"at": at, "from": side, **more}
    if isinstance(frame, str):
        return {**line, "text": frame}
    if isinstance(frame, bytes):
        return {**line, "base64": base64.b64encode(frame).decode()}
    if isinstance(frame.payload, bytes):
        data = base64.b64encode(frame.payload).decode()
        return {**line, "message": [*frame[:4], None], "base64": data}
    if isinstance(frame.payload, dict) and isinstance(frame.payload.get("response"), bytes):
        data = base64.b64encode(frame.payload["response"]).decode()
        payload = {**frame.payload, "response": None}
        return {**line, "message": [*frame[:4], payload], "base64": data}
    return {**line, "message": list(frame)}


def close(side: str, code: int, reason: str = "", at: float = 9.0) -> dict[str, Any]:
    """Return the line of a close."""
    return {"at": at, "from": side, "close": [code, reason]}


def recording(*lines: dict[str, Any], vsn: str | None = "2.0.0", **header: Any) -> Recording:
    """Return a recording of these lines."""
    first = {"bennu": "recording", "version": 1, "path": "/socket/websocket", "vsn": vsn, **header}
    return Recording.read([msgspec.json.encode(one) for one in (first, *lines)])
