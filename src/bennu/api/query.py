"""Reads the query of a request to the HTTP API. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from .openapi import APIOperation
from .refusal import invalid
from .types import MAX_NAME

__all__ = ["read_query"]

MAX_FIELDS: Final = 100
"""Fields of a query."""
MAX_QUERY: Final = 65_536
"""Bytes of a query."""


def read_query(query: bytes, operation: APIOperation) -> dict[str, list[str]]:
    """Return the fields of a query.

    Args:
        query: The query.
        operation: The operation, which knows its parameters.

    Raises:
        APIRefusal: A field is missing, unknown, too long or there twice.
    """
    try:
        pairs = parse_qsl(
            query[: MAX_QUERY + 1].decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise invalid("", "the query can't be read") from None
    if len(query) > MAX_QUERY:
        raise invalid("", f"the query has more than {MAX_QUERY} bytes")
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    known = {one.name: one for one in operation.parameters}
    for name, values in found.items():
        if name not in known:
            raise invalid(name, "Object contains unknown field")
        if len(values) > 1 and not known[name].repeats:
            raise invalid(name, "Expected one value")
        if any(len(value) > MAX_NAME for value in values):
            raise invalid(name, f"Expected `str` of length <= {MAX_NAME}")
    for one in operation.parameters:
        if one.required and one.name not in found:
            raise invalid(one.name, "Object missing required field")
    return found
