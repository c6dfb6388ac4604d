"""A request to the HTTP API that is refused. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..reasons import APIReason

__all__ = ["APIRefusal", "invalid"]


class APIRefusal(Exception):
    """Why a request is refused.

    Args:
        reason: The reason.
        message: What the answer says; None is the explanation of the reason.
        errors: The mistakes of the request.
        retry_after: Whole seconds after which the request can be sent again; None says nothing.
    """

    def __init__(
        self,
        reason: APIReason,
        message: str | None = None,
        *,
        errors: Sequence[dict[str, Any]] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(reason.text)
        self.reason = reason
        self.message = reason.meaning if message is None else message
        self.errors = errors
        self.retry_after = retry_after


def invalid(path: str, message: str) -> APIRefusal:
    """Return the refusal of a request that does not fit.

    Args:
        path: The path to the mistake.
        message: The mistake.
    """
    return APIRefusal(APIReason.INVALID_REQUEST, errors=[{"path": path, "message": message}])
