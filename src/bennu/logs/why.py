"""Returns why a client was refused, as a short text for logs and telemetry, without the client's data.

A reason names types and the paths of fields. It holds no values, because a value can be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from ..errors import KeyRefused, Refused, TokenError
from ..reasons import Reason
from .printable import CUT, printable

__all__ = ["why", "why_invalid", "why_refused"]

MAX_ERRORS: Final = 3
"""Mistakes of one payload that the reason names."""

MAX_MISTAKE: Final = 100
"""Characters of each mistake."""

MAX_TEXT: Final = 1000
"""Characters of a mistake's message that are read."""

_VALUE = re.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|(?<=value )-?[0-9.e+]++""")
_EXPLAINED = (Reason.INVALID_PARAMS.text, Reason.INVALID_PAYLOAD.text)


def why(response: Any) -> str:
    """Return the reason of a refusal.

    Args:
        response: The response that the client gets.
    """
    if not isinstance(response, Mapping):
        return "error"
    fields = cast("Mapping[str, Any]", response)
    reason = fields.get("reason")
    if reason is None:
        return "error"
    if reason in _EXPLAINED:
        return why_invalid(reason, fields.get("errors"))
    return printable(reason)


def why_refused(refused: Refused) -> str:
    """Return the reason of a refusal from its exception. For a token it says more than the client is told."""
    reason = why(refused.payload)
    if isinstance(refused, TokenError | KeyRefused):
        return f"{reason} ({printable(_without_values(str(refused)))})"
    return reason


def why_invalid(reason: str, errors: Any) -> str:
    """Return the reason of a refusal for mistakes in a payload or in parameters.

    Args:
        reason: The reason that the client gets.
        errors: The mistakes that the client gets, each a dict with ``path`` and ``message``.
    """
    some = cast("list[Any]", errors)[:MAX_ERRORS] if isinstance(errors, list) else []
    shown = [_mistake(cast("dict[str, Any]", one)) for one in some if isinstance(one, dict)]
    return f"{reason} ({'; '.join(shown)})" if shown else reason


def _mistake(error: dict[str, Any]) -> str:
    path = error.get("path")
    message = _without_values(str(error.get("message"))).replace("`", "")
    message = message[:1].lower() + message[1:]
    return printable(f"{path}: {message}" if path else message, MAX_MISTAKE)


def _without_values(text: str) -> str:
    """Return a text without the quoted parts, because these can be the client's data."""
    return _VALUE.sub(CUT, text[:MAX_TEXT])
