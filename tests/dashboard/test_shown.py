"""What a page gets of a record: JSON of bounded size."""

from __future__ import annotations

import msgspec

from bennu.dashboard.shown import MAX_RECORD, shown
from bennu.inspect import ConnectSeen, FrameSeen


def test_a_record_is_json_with_its_kind() -> None:
    found = shown(FrameSeen(connection="1", direction="in", event="say", payload={"a": 1}))
    assert (found.is_binary, found.is_cut) == (False, False)
    record = msgspec.json.decode(found.record)
    assert (record["kind"], record["event"], record["payload"]) == ("frame", "say", {"a": 1})


def test_bytes_are_base64() -> None:
    for payload, text in (
        (b"\x00\x01", "AAE="),
        ({"status": "ok", "response": b"\x00\x01"}, "AAE="),
    ):
        found = shown(FrameSeen(connection="1", direction="out", payload=payload))
        assert found.is_binary
        assert text in bytes(found.record).decode()


def test_a_large_payload_is_left_out() -> None:
    found = shown(
        FrameSeen(connection="1", direction="in", event="say", payload={"text": "x" * MAX_RECORD})
    )
    assert found.is_cut
    assert len(bytes(found.record)) < 1000
    assert msgspec.json.decode(found.record)["event"] == "say"


def test_a_record_without_a_payload_is_never_cut() -> None:
    assert not shown(ConnectSeen(connection="1", topics=("x" * MAX_RECORD,))).is_cut
