"""The process with the id 1 of a container removes the orphans that it inherits. tests/deploys has such a container."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, subprocess, sys
from bennu.cli.workers.process import reap_strangers

def ended():
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process

reap_strangers(set())   # there is no process at all
stranger = ended()
reap_strangers(set())
try:
    os.kill(stranger.pid, 0)
except ProcessLookupError:
    print("gone")
worker = ended()
reap_strangers({worker.pid})
print("status", os.waitpid(worker.pid, 0)[1])
stranger.returncode = worker.returncode = 0
"""


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system has no waitid")
def test_strangers_are_removed_and_workers_are_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("gone\nstatus 0\n", "")
