"""The error for a payload that does not fit its type, with the mistakes for the client."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..errors import BennuError
from .models import ModelError, mistake, path_of, tidy

__all__ = ["HALVED", "InvalidPayload", "explain", "steps_of"]

HALVED: Final = msgspec.Raw(rb'"\ud800"')
"""The payload of a message with half a character. It fits no type."""


class InvalidPayload(BennuError):
    """The payload does not fit its type.

    Attributes:
        errors: ``{"path": ..., "message": ...}`` for each mistake.
    """

    def __init__(self, errors: list[dict[str, str]]) -> None:
        self.errors = errors
        super().__init__(f"invalid payload: {errors}")


def explain(error: Exception, given: Any) -> InvalidPayload:
    """Return the error that tells a client about the mistakes of its payload.

    Args:
        error: The exception of msgspec or pydantic.
        given: The payload.
    """
    if given is HALVED:
        return InvalidPayload([mistake("", "a text of it ends in half a character")])
    path, message = _split_message(str(error))
    inner = error if isinstance(error, ModelError) else error.__cause__
    if isinstance(inner, ModelError):
        if inner is error:
            path = ""
        return InvalidPayload(
            [mistake(_joined(path, path_of(steps)), text) for steps, text in inner.mistakes]
        )
    return InvalidPayload([mistake(path, message)])


def _joined(outer: str, inner: str) -> str:
    return outer + inner if not outer or inner[:1] in ("", "[") else f"{outer}.{inner}"


def steps_of(error: Exception) -> list[Any]:
    """Return the steps to the first mistake; ``...`` stands for a key that the error does not name."""
    inner = error if isinstance(error, ModelError) else error.__cause__
    outer: list[Any] = []
    if inner is not error:
        path, _ = _split_message(str(error))
        path = path.replace("[...]", "[]")
        for part in path.replace("]", "").replace("[", ".[").split("."):
            if part[:1] != "[":
                outer += [part] if part else []
            else:
                outer.append(int(part[1:]) if part[1:].isdecimal() else ...)
    if isinstance(inner, ModelError):
        return [*outer, *inner.mistakes[0][0]]
    return outer


def _split_message(text: str) -> tuple[str, str]:
    """Return the path and the message of msgspec's error, without the client's data."""
    path = ""
    if text.endswith("`"):
        message, separator, place = text[:-1].rpartition(" - at `$")
        if separator:
            text, path = message, place.removeprefix(".")
    for beginning in ("Invalid enum value", "Invalid value"):
        if text.startswith(beginning):
            return tidy(path), beginning
    return tidy(path), tidy(text)
