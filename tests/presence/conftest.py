"""Everything here runs under virtual time."""

from __future__ import annotations
