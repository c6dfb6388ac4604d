"""docs/inspector.md: its examples run, and its tables are complete."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import fields

from bennu.cli.replay import replay
from bennu.inspect import Recording, SeenRecord
from bennu.testing import connect, running
from bennu.testing.clock import settle

from ..support.frames import PHX_JOIN, PHX_REPLY
from ..support.pages import blocks, run_blocks, section, table
from .apps import endpoint_of_rooms

PAGE = "docs/inspector.md"


def test_the_page_lists_each_record_with_its_fields() -> None:
    rows = {row[0]: row[2] for row in table(section(PAGE, "Follow").split("`limit` is")[1])}
    expected = {
        f"`{kind.__name__}`": [one.name for one in fields(kind) if one.name not in ("at", "time")]
        for kind in get_args(SeenRecord)
    }
    assert {name: re.findall(r"`(\w+)`", cell) for name, cell in rows.items()} == expected


def test_the_page_lists_each_option_of_replay() -> None:
    rows = [row[0].strip("`").split()[0] for row in table(section(PAGE, "Replay"))]
    options = [option for one in replay.params for option in one.opts]
    shown = [one for one in options if one.startswith("--")]
    assert sorted(rows) == sorted(set(shown) - {"--pytest", "--app", "--out"})


async def test_the_examples_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = run_blocks(monkeypatch, "inspector_page", *blocks(PAGE))
    endpoint = endpoint_of_rooms()
    async with running(endpoint):
        recording = asyncio.create_task(names["record_ann"](endpoint, tmp_path / "s.jsonl"))
        showing = asyncio.create_task(names["show"](endpoint, "room:1", 5))
        await settle()
        async with connect(endpoint, "/socket", {"name": "ann"}, heartbeats=False) as ann:
            room = await ann.join("room:1")
            await room.push("say", {"body": "hi"})
            assert await showing == [
                f"in {PHX_JOIN} {{}}",
                f"out {PHX_REPLY} {{'status': 'ok', 'response': {{'topic': 'room:1'}}}}",
                "in say {'body': 'hi'}",
                "said went to 1 of 1 members",
                f"out {PHX_REPLY} {{'status': 'ok', 'response': {{'id': 7}}}}",
            ]
        await recording
    assert len(Recording.read((tmp_path / "s.jsonl").read_bytes().splitlines()).frames) == 6
