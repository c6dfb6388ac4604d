"""The names of spans, and their first attributes."""

from __future__ import annotations

from bennu.tracing.descriptions import MAX_TEXT, describe, shown


def test_a_handler_is_called_like_its_event() -> None:
    name, attributes = describe("handle", "room:{room_id}", "new_msg")
    assert name == "new_msg room:{room_id}"
    assert attributes == {
        "messaging.system": "bennu",
        "messaging.operation.name": "new_msg",
        "messaging.operation.type": "process",
        "messaging.destination.template": "room:{room_id}",
    }


def test_a_hook_has_no_type_of_messaging() -> None:
    name, attributes = describe("after_join", "room:*")
    assert name == "after_join room:*"
    assert attributes == {
        "messaging.system": "bennu",
        "messaging.operation.name": "after_join",
        "messaging.destination.template": "room:*",
    }


def test_a_topic_without_a_pattern_has_no_place_in_a_name() -> None:
    assert describe("broadcast", None).name == "broadcast"
    assert "messaging.destination.template" not in describe("broadcast", None).attributes


def test_a_connect_has_its_route() -> None:
    assert describe("connect", "/socket") == ("connect /socket", {"http.route": "/socket"})


def test_a_text_of_a_client_is_cut_and_printable_as_utf_8() -> None:
    assert shown("x" * 300) == "x" * MAX_TEXT
    assert shown("\ud800!") == "?!"
