"""What the page saves is a recording that ``bennu replay`` reads."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import msgspec

from bennu.dashboard.files import FOLDER
from bennu.dashboard.shown import shown
from bennu.inspect import CloseSeen, ConnectSeen, FrameSeen, Recording, SeenRecord
from tests.support.frames import PHX_REPLY
from tests.support.node import node_path

SCRIPT = """
import { recording } from "file://%s";
const [connect, records, lost] = JSON.parse(process.argv[1]);
process.stdout.write(recording(connect, records, lost));
"""


def saved(connect: ConnectSeen, *records: SeenRecord, lost: int = 0) -> Recording:
    """Return what the page saves of these records, in a real JavaScript engine."""
    sent: list[Any] = [msgspec.json.decode(shown(connect).record)]
    sent += [[msgspec.json.decode(msgspec.json.encode(shown(one))) for one in records], lost]
    text = subprocess.run(
        [
            *(node_path(), "--input-type=module", "--eval"),
            SCRIPT % (FOLDER / "inspector/recording.mjs"),
            *("--", json.dumps(sent)),
        ],
        capture_output=True,
        check=True,
    ).stdout
    return Recording.read(text.splitlines())


def frame(direction: Any, at: float, event: str | None, payload: Any, **more: Any) -> FrameSeen:
    topic = None if event is None else "room:1"
    return FrameSeen(
        at=at,
        connection="7",
        direction=direction,
        topic=topic,
        event=event,
        payload=payload,
        **more,
    )


def test_messages_bytes_and_the_end_are_saved() -> None:
    found = saved(
        ConnectSeen(
            at=10,
            time=1e9,
            connection="7",
            user="users:ann",
            path="/socket/websocket",
            params={"vsn": "2.0.0"},
            serializer="V2 JSON",
            topics=("room:1",),
        ),
        frame("in", 10.25, "say", {"text": "hi"}, join_ref="1", ref="2"),
        frame(
            "out",
            10.5,
            PHX_REPLY,
            {"status": "ok", "response": b"\x00\x01"},
            join_ref="1",
            ref="2",
        ),
        frame("in", 11, "upload", b"\x02", join_ref="1", ref="3"),
        frame("in", 11, "long", {"text": "x" * 20_000}, join_ref="1", ref="4"),
        CloseSeen(at=12, connection="7", code=1001, by="client"),
        lost=5,
    )
    header = found.header
    assert (header.path, header.vsn, header.user) == ("/socket/websocket", "2.0.0", "users:ann")
    assert (header.joined, header.recorded_at) == (("room:1",), 1e9)
    say, reply, upload, _, close, _ = found.frames
    assert (say.at, say.side) == (0.25, "client")
    assert (say.parts[:3], say.parts[3:]) == (("1", "2", "room:1"), ("say", {"text": "hi"}))
    assert reply.parts[4] == {"status": "ok", "response": b"\x00\x01"}
    assert upload.parts[3:] == ("upload", b"\x02")
    assert (close.side, close.close) == ("client", (1001, ""))
    assert found.lost == 6


def test_a_raw_socket_is_saved() -> None:
    found = saved(
        ConnectSeen(at=0, connection="7", path="/raw/websocket"),
        frame("in", 1, None, "hello"),
        frame("out", 2, None, b"\x00"),
    )
    assert found.is_raw
    assert [one.data for one in found.frames] == ["hello", b"\x00"]
