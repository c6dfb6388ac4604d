"""A process that listens, and that a test stops: ``python -m tests.bus.postgresql.hanging_node ADDRESS``."""

from __future__ import annotations

import asyncio
import os
import sys

from bennu.bus.postgresql import statements

from ...support.until import until
from .ears import connected


async def main(address: str) -> None:
    statements.SETTINGS["tcp_user_timeout"] = "1s"
    async with connected(address) as one:
        await one.driver.subscribe(["t"])
        os.write(1, b"listens\n")
        await until(lambda: one.ends)
        os.write(1, f"{one.ends[0]}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
