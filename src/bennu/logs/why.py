"""Why a client was refused, in a few words for logs and telemetry, without what the client sent.

A reason names types and the paths of fields. It holds no values: a value may be a secret.
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
"""Mistakes of one payload that are named."""

MAX_MISTAKE: Final = 100
"""Characters of each."""

MAX_TEXT: Final = 1000
"""Characters of a text that are looked at."""

_VALUE = re.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|(?<=value )-?[0-9.e+]++""")
_EXPLAINED = (Reason.INVALID_PARAMS.text, Reason.INVALID_PAYLOAD.text)


def why(response: Any) -> str:
    """Return why, from the response that the client gets."""
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
    """Return why, from the exception; that of a token says more than the client may know."""
    reason = why(refused.payload)
    if isinstance(refused, TokenError | KeyRefused):
        return f"{reason} ({printable(_without_values(str(refused)))})"
    return reason


def why_invalid(reason: str, errors: Any) -> str:
    """Return why, from the mistakes that were found in a payload or in parameters."""
    some = cast("list[Any]", errors)[:MAX_ERRORS] if isinstance(errors, list) else []
    shown = [_mistake(cast("dict[str, Any]", one)) for one in some if isinstance(one, dict)]
    return f"{reason} ({'; '.join(shown)})" if shown else reason


def _mistake(error: dict[str, Any]) -> str:
    path = error.get("path")
    message = _without_values(str(error.get("message"))).replace("`", "")
    message = message[:1].lower() + message[1:]
    return printable(f"{path}: {message}" if path else message, MAX_MISTAKE)


def _without_values(text: str) -> str:
    """Return a text without what is quoted in it: that may be the client's."""
    return _VALUE.sub(CUT, text[:MAX_TEXT])
