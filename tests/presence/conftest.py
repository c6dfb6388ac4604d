"""All tests in this folder run in virtual time."""

from __future__ import annotations
