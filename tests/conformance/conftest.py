"""These tests run in memory and under virtual time."""

from __future__ import annotations
