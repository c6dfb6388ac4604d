"""Entries, and diffs of entries."""

from __future__ import annotations

from bennu.presence.crdt import Diff, Entry


def test_a_diff_is_true_if_there_is_anything_in_it() -> None:
    """A join or a leave is enough."""
    entry = Entry("t", 1, "k", {})
    assert [bool(d) for d in (Diff(), Diff([entry]), Diff([], [entry]))] == [False, True, True]
