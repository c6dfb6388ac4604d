"""Reads the file of ``bennu run --env-file``, which has one environment variable on each line.

A line is ``NAME=value``, with or without ``export`` before it. ``#`` begins a comment. A value in single quotes is
taken literally. A value in double quotes can contain ``\\n``, ``\\t``, ``\\"`` and ``\\\\``. A variable that is already
set keeps its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["EnvFileError", "parse_env"]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


class EnvFileError(ValueError):
    """A line of the file is no variable. The message has the line's number."""


def parse_env(text: str) -> dict[str, str]:
    """Return the variables of a file.

    Args:
        text: The content of the file.

    Raises:
        EnvFileError: A line is no variable.

    Example:
        >>> parse_env('export A=1\\nB="two words" # why')
        {'A': '1', 'B': 'two words'}
    """
    return dict(_variables(text))


def _variables(text: str) -> Iterator[tuple[str, str]]:
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if "\0" in line:  # an environment variable can't contain it
            raise EnvFileError(f"line {number}: expected text, got a NUL character")
        found = _LINE.fullmatch(line)
        if found is None:
            raise EnvFileError(f"line {number}: expected NAME=value, got {raw.strip()!r}")
        try:
            yield found[1], _value(found[2])
        except ValueError as error:
            raise EnvFileError(f"line {number}: {error}") from None


def _value(text: str) -> str:
    quote = text[:1]
    if quote not in ("'", '"'):
        return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
    value: list[str] = []
    characters = iter(text[1:])
    for character in characters:
        if character == quote:
            rest = "".join(characters).strip()
            if rest and not rest.startswith("#"):
                raise ValueError(f"expected a comment or nothing after the quotes, got {rest!r}")
            return "".join(value)
        if character == "\\" and quote == '"':
            after = next(characters, "")
            value.append(_ESCAPES.get(after, "\\" + after))
        else:
            value.append(character)
    raise ValueError(f"expected a closing {quote}, got the end of the line")
