"""The state of presences and its changes, by the tests of phoenix.js (assets/test/presence_test.js)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from bennu.client.roster import Entries, Roster, RosterChange, entries_of, sync_diff, sync_state


def meta(ref: str, **more: Any) -> dict[str, Any]:
    return {**more, "phx_ref": ref}


def one(*refs: str) -> dict[str, Any]:
    return {"metas": [meta(ref) for ref in refs]}


STATE: Entries = {"u1": one("1"), "u2": one("2"), "u3": one("3")}


class Changes:
    """Notes changes."""

    def __init__(self) -> None:
        self.joins: list[tuple[Any, ...]] = []
        self.leaves: list[tuple[Any, ...]] = []

    def __call__(self, change: RosterChange) -> None:
        (self.joins if change.has_joined else self.leaves).append(tuple(change[:3]))


def test_a_list_replaces_an_empty_state() -> None:
    current: Entries = {}
    assert sync_state(current, STATE, Changes()) == STATE
    assert current == {}


def test_a_list_tells_who_has_joined_and_left() -> None:
    changes = Changes()
    assert sync_state({"u4": one("4")}, STATE, changes) == STATE
    assert changes.joins == [("u1", None, one("1")), ("u2", None, one("2")), ("u3", None, one("3"))]
    assert changes.leaves == [("u4", one(), one("4"))]


def test_a_list_tells_only_the_metas_that_are_new_or_gone() -> None:
    changes = Changes()
    before = {"u3": one("3", "old")}
    assert sync_state(before, {"u3": one("3", "new")}, changes) == {"u3": one("3", "new")}
    assert changes.joins == [("u3", one("3", "old"), one("new"))]
    assert changes.leaves == [("u3", one("3", "new"), one("old"))]


def test_a_diff_joins() -> None:
    assert sync_diff({}, {"u1": one("1")}, {}, Changes()) == {"u1": one("1")}


def test_a_diff_adds_a_meta_and_removes_a_key_without_metas() -> None:
    before = deepcopy(STATE)
    after = sync_diff(STATE, {"u1": one("1.2")}, {"u2": one("2")}, Changes())
    assert after == {"u1": one("1", "1.2"), "u3": one("3")}
    assert before == STATE, "what was given is not changed"


def test_a_diff_keeps_a_key_that_has_other_metas() -> None:
    after = sync_diff({"u1": one("1", "1.2")}, {}, {"u1": one("1")}, Changes())
    assert after == {"u1": one("1.2")}


def test_a_leave_of_nobody_is_nothing() -> None:
    changes = Changes()
    assert sync_diff(STATE, {}, {"u9": one("9")}, changes) == STATE
    assert changes.leaves == []


def test_other_fields_of_a_presence_are_those_of_the_newest_join() -> None:
    before = {"u1": {"metas": [meta("1")], "user": {"name": "old"}}}
    joins = {"u1": {"metas": [meta("2")], "user": {"name": "new"}}}
    after = sync_diff(before, joins, {}, Changes())
    assert after == {"u1": {"metas": [meta("1"), meta("2")], "user": {"name": "new"}}}


@pytest.mark.parametrize("payload", [None, 7, [], {"u1": 7, "u2": {}, "u3": {"metas": 7}}])
def test_what_is_no_presence_is_left_out(payload: Any) -> None:
    assert entries_of(payload) == {}


def test_metas_of_any_shape_are_kept() -> None:
    """A meta is an object, but this client breaks by none that is not."""
    assert sync_state({}, {"u1": {"metas": [7]}}, Changes()) == {"u1": {"metas": [7]}}


def test_diffs_wait_for_the_list_of_their_join() -> None:
    roster, changes = Roster(), Changes()
    assert not roster.take_diff({"joins": {}, "leaves": {"u2": one("2")}}, "1", changes)
    assert roster.state == {}
    roster.take_state({"u1": one("1"), "u2": one("2")}, "1", changes)
    assert roster.state == {"u1": one("1")}
    assert changes.leaves == [("u2", one(), one("2"))]

    assert not roster.take_diff({"joins": {}, "leaves": {"u1": one("1")}}, "2", changes)
    assert roster.state == {"u1": one("1")}
    roster.take_state({"u1": one("1"), "u3": one("3")}, "2", changes)
    assert roster.state == {"u3": one("3")}


def test_a_diff_after_the_list_is_applied_at_once() -> None:
    roster, changes = Roster(), Changes()
    roster.take_state(STATE, "1", changes)
    assert roster.take_diff({"joins": {"u4": one("4")}}, "1", changes)
    assert roster.take_diff(7, "1", changes)
    assert roster.state == {**STATE, "u4": one("4")}
