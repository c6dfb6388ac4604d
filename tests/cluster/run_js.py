"""Runs scripts of stock clients."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ..support.node import JS, js_modules, node_path
from .nodes import PATIENCE

__all__ = ["run_js"]


async def run_js(script: str, *arguments: str) -> dict[str, Any]:
    """Run a script of tests/interop/js in Node; return its reports."""
    js_modules()
    process = await asyncio.create_subprocess_exec(
        *map(str, (node_path(), JS / f"{script}.mjs", *arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while line := await process.stdout.readline():
                lines.append(line.decode())
            await process.wait()
    except TimeoutError:
        raise AssertionError(f"{script} did not end:\n{''.join(lines)}") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, "".join(lines)
    reports = [json.loads(line) for line in lines if line.startswith('{"step":')]
    return {report["step"]: report["value"] for report in reports}
