"""Entries that wait for an heir: who gets which, and when they expire."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st

from bennu.presence.grace import Orphans

from ..support.properties import property_test

PLACE = ("t", "u1")


def meta(**said: Any) -> dict[str, Any]:
    return {**said, "phx_ref": "R", "phx_ref_prev": "Q"}


def test_one_with_an_equal_meta_is_found_whatever_its_refs_and_order() -> None:
    """Equal as JSON: 1 and true are not."""
    orphans = Orphans()
    orphans.add(PLACE, 1, meta(a=1, b=2), 5)
    orphans.add(PLACE, 2, meta(a=True), 5)
    orphans.add(PLACE, 3, meta(a=1), 5)
    assert orphans.adopt(PLACE, {"b": 2, "a": 1}) == (1, True)
    assert orphans.adopt(PLACE, {"a": 1}) == (3, True)
    assert orphans.adopt(PLACE, {"a": 1}) == (2, False)
    assert orphans.adopt(PLACE, {"a": 1}) is None
    assert not orphans


def test_another_place_has_its_own() -> None:
    orphans = Orphans()
    orphans.add(PLACE, 1, meta(), 5)
    assert orphans.adopt(("t", "u2"), {}) is None
    assert orphans.adopt(("t2", "u1"), {}) is None
    assert orphans


def test_they_expire_in_their_order() -> None:
    """Those that were adopted are passed over; then there is no deadline."""
    orphans = Orphans()
    for actor in (1, 2, 3):
        orphans.add(PLACE, actor, meta(n=actor), float(actor))
    assert orphans.adopt(PLACE, {"n": 2}) == (2, True)
    seen = [(orphans.deadline, orphans.expire(now)) for now in (0.5, 1, 9, 10)]
    assert seen == [(1, []), (1, [(PLACE, 1)]), (3, [(PLACE, 3)]), (None, [])]
    assert not orphans


@property_test
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "adopt", "expire"]), st.integers(0, 2), st.integers(0, 2)
        ),
        max_size=30,
    )
)
def test_each_goes_to_one_heir_or_expires(story: list[tuple[str, int, int]]) -> None:
    """None is lost, none is there twice, and an heir with an equal meta never gets another."""
    orphans = Orphans()
    waiting: dict[int, tuple[str, int, float]] = {}
    for now, (what, key, n) in enumerate(story):
        place = ("t", f"u{key}")
        here = {actor: one for actor, one in waiting.items() if one[0] == place[1]}
        if what == "add":
            orphans.add(place, now, meta(n=n), now + 5.0)
            waiting[now] = (place[1], n, now + 5.0)
        elif what == "expire":
            gone = {actor for _, actor in orphans.expire(now)}
            assert gone == {actor for actor, (_, _, deadline) in waiting.items() if deadline <= now}
            for actor in gone:
                del waiting[actor]
        elif not here:
            assert orphans.adopt(place, {"n": n}) is None
        else:
            adopted = orphans.adopt(place, {"n": n})
            assert adopted is not None
            actor, is_same = adopted
            assert here.pop(actor)[1] == n or not is_same
            assert is_same == any(one[1] == n for one in (*here.values(), waiting.pop(actor)))
    assert {actor for _, actor in orphans.expire(1000)} == set(waiting)
