"""Everything on asyncio's own event loop and on uvloop."""

from __future__ import annotations
