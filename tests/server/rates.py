"""Endpoints with rates, and checks for limits that were exceeded."""

from __future__ import annotations

from typing import Any

from bennu import Endpoint, Rates
from bennu.reasons import Limit

from ..support.memory import Server, endpoint_of, error, is_count
from .rooms import CHANNELS

__all__ = ["exceeded", "limited", "rated", "warned"]


def limited(milliseconds: int) -> Any:
    """Return the answer to a message beyond a rate."""
    return error({"reason": "rate_limited", "retry_after_ms": milliseconds})


def exceeded(server: Server) -> dict[Limit, int]:
    return dict(server.endpoint.telemetry.exceeded)


def warned(server: Server, text: str) -> None:
    """Check that the log has at least one line about this limit, and no other lines."""
    lines = [record.getMessage() for record in server.records]
    assert lines
    assert all(is_count(line) or ("Over a limit" in line and text in line) for line in lines), lines
    server.records.clear()


def rated(**rates: Any) -> Endpoint:
    return endpoint_of(CHANNELS, rates=Rates(**rates), longpoll=True)
