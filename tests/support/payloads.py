"""Payloads of the usual kinds."""

from __future__ import annotations

from msgspec import Struct
from pydantic import BaseModel

__all__ = ["Model", "Point"]


class Point(Struct):
    """A payload of msgspec."""

    x: int
    y: int


class Model(BaseModel):
    """A payload of pydantic."""

    name: str
