"""A fault that the page of the inspector has saved becomes a failing test by one command, and passes when it is mended."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bennu.cli import main
from bennu.dashboard.files import FOLDER
from bennu.dashboard.names import INSPECTOR
from bennu.testing import connect
from tests.inspect.faulty import FAULTY, MENDED, run_session
from tests.support.node import node_path

from .apps import page

SAVE = f"""
import {{ Kept }} from "file://{FOLDER}/inspector/kept.mjs";
import {{ recording }} from "file://{FOLDER}/inspector/recording.mjs";
const kept = new Kept();
for (const batch of JSON.parse(process.argv[1])) kept.add(batch);
const {{ connect, records, lost }} = kept.of([...kept.connections.keys()][0]);
process.stdout.write(recording(connect, records, lost));
"""


def saved(batch: Any) -> bytes:
    """Return what the page saves of a batch, in a real JavaScript engine."""
    command = (node_path(), "--input-type=module", "--eval", SAVE, "--", json.dumps([batch]))
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.timeout(180)  # two processes with pytest
async def test_a_fault_that_the_page_has_saved_becomes_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's own code saves what the server sends to the page."""
    app, session = tmp_path / "faulty_sums.py", tmp_path / "connection-1.jsonl"
    app.write_text(FAULTY)
    monkeypatch.syspath_prepend(str(tmp_path))
    endpoint = import_module("faulty_sums").endpoint
    monkeypatch.delitem(sys.modules, "faulty_sums")
    async with page(endpoint, INSPECTOR) as inspector:
        await inspector.push("follow", {"user": "users:ann"})
        async with connect(endpoint, "/socket", heartbeats=False) as client:
            sums = await client.join("sums")
            assert await sums.push("sum", {"numbers": [1, 2]}) == {"mean": 1.5}
            _ = sums.push("sum", {"numbers": []})
            await sums.assert_crashed()
        batch = await inspector.assert_push("seen")
        assert len(batch["records"]) == batch["total"]
    session.write_bytes(saved(batch))
    out = tmp_path / "test_session.py"
    options = ("--pytest", "--app", "faulty_sums:endpoint", "--out", str(out))
    written = CliRunner().invoke(main, ["replay", str(session), *options])
    assert (written.exit_code, written.output) == (0, f"{out} is written: run pytest {out}\n")
    failed = run_session(tmp_path)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "the channel of 'sums' has crashed" in failed.stdout
    app.write_text(MENDED)
    passed = run_session(tmp_path)
    assert passed.returncode == 0, passed.stdout + passed.stderr
