"""An application with a fault, the same one without it, and the run of a test that was written from its recording."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..dashboard.apps import PASSWORD

__all__ = ["FAULTY", "MENDED", "run_session"]

FAULTY = f"""
from bennu import Channel, Dashboard, Endpoint, Socket, on


class Sums(Channel):
    @on("sum")
    async def sum(self, payload: dict[str, list[int]]) -> dict[str, float]:
        return {{"mean": sum(payload["numbers"]) / len(payload["numbers"])}}


socket = Socket(connect=lambda: None, id=lambda _: "users:ann", channels={{"sums": Sums}})
endpoint = Endpoint(sockets={{"/socket": socket}}, dashboard=Dashboard(password="{PASSWORD}"))
"""

MENDED = FAULTY.replace('/ len(payload["numbers"])', '/ max(1, len(payload["numbers"]))')


def run_session(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``test_session.py`` in a process of its own, without plugins of this project."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_session.py"],
        cwd=folder,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
