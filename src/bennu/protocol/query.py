"""Decodes a query string as Phoenix does. Protocol document, §1.6.

- ``a[b]=1`` makes nested dicts, ``a[]=1&a[]=2`` a list, and ``a[b][0]=x`` a dict with the key ``"0"``.
- The last value of a repeated plain key counts.
- The value of a key without ``=`` is empty text.
- An empty pair is ignored. An invalid percent escape is left unchanged.
"""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

from ..errors import DecodeError

__all__ = ["decode_query"]

MAX_QUERY: Final = 1_000_000
_MAX_DEPTH: Final = 32


def decode_query(query: bytes) -> dict[str, Any]:
    """Return the parameters of a query string.

    Raises:
        DecodeError: The query string is longer than 1,000,000 bytes, or is not UTF-8 after unescaping.
    """
    if len(query) > MAX_QUERY:
        raise DecodeError(f"a query string has at most {MAX_QUERY} bytes, got {len(query)}")
    params: dict[str, Any] = {}
    is_plain = not (b"%" in query or b"+" in query or b"[" in query)
    if is_plain and query.isascii():  # the most frequent case
        for text in query.decode("ascii").split("&"):
            if text:
                name, _, content = text.partition("=")
                params[name] = content
        return params
    for pair in query.split(b"&"):
        if pair:
            key, _, value = pair.partition(b"=")
            _put(params, _unescape(key), _unescape(value))
    return params


def _unescape(text: bytes) -> str:
    if text.isascii() and b"%" not in text and b"+" not in text:
        return text.decode("ascii")
    try:
        return unquote_to_bytes(text.replace(b"+", b" ")).decode()
    except UnicodeDecodeError as error:
        raise DecodeError(
            f"a query string that is not UTF-8, in a text of {len(text)} bytes"
        ) from error


def _put(params: dict[str, Any], key: str, value: str) -> None:
    name, _, rest = key.partition("[")
    if not name or not rest.endswith("]") or rest.count("[") >= _MAX_DEPTH:
        params[key] = value
        return
    *steps, last = name, *rest[:-1].split("][")
    here = params
    for step in steps[:-1]:
        here = _below(here, step)
    if last:
        _below(here, steps[-1])[last] = value
        return
    existing = here.get(steps[-1])
    if not isinstance(existing, list):
        existing = here[steps[-1]] = list[Any]()
    cast("list[Any]", existing).append(value)


def _below(here: dict[str, Any], step: str) -> dict[str, Any]:
    below = here.get(step)
    if not isinstance(below, dict):
        below = here[step] = dict[str, Any]()
    return cast("dict[str, Any]", below)
