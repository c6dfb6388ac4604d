"""Net effects of presences, and the view of clients that follow them: examples, and properties against phoenix.js."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import json

from bennu.presence.net_effect import Net, Pending, Presences, Tally, View, metas_by_key

from ..support.js_presence import JSPresence
from ..support.properties import property_test


def meta(ref: str, prev: str | None = None, **more: Any) -> dict[str, Any]:
    return {**more, "phx_ref": ref} | ({} if prev is None else {"phx_ref_prev": prev})


def only(known: set[tuple[str, str]]) -> Callable[[str, str], bool]:
    return lambda key, ref: (key, ref) in known


def nobody(key: str, ref: str) -> bool:
    return False


def state_of(view: View) -> Presences:
    """Return the state that a new client gets."""
    return json.decode(view.state(), type=Presences)


def test_what_came_and_went_since_the_last_diff_is_not_mentioned() -> None:
    """This holds for a ref that came and went, and for a ref that went and came back."""
    pending = Pending()
    pending.join("u1", meta("A"))
    pending.leave("u1", meta("A"))
    pending.leave("u2", meta("B"))
    pending.join("u2", meta("B"))
    assert len(pending) == 2
    net = pending.take(nobody)
    assert net == Net({}, {})


def test_what_only_came_or_went_is_told() -> None:
    """The net effect has the changes by key, in order. Then the changes begin anew."""
    pending = Pending()
    pending.join("u1", meta("A"))
    pending.join("u1", meta("B"))
    pending.leave("u2", meta("C"))
    net = pending.take(nobody)
    assert net == Net({"u1": [meta("A"), meta("B")]}, {"u2": [meta("C")]})
    assert pending.take(nobody) == Net({}, {})


def test_a_flapping_ref_counts_as_what_it_was_and_is() -> None:
    """A ref that went, came and went is gone. A ref that came, went and came is new."""
    pending = Pending()
    for step in (pending.leave, pending.join, pending.leave):
        step("u1", meta("A"))
    for step in (pending.join, pending.leave, pending.join):
        step("u2", meta("B"))
    assert pending.take(nobody) == Net({"u2": [meta("B")]}, {"u1": [meta("A")]})


@pytest.mark.conformance("PR015")
def test_two_updates_become_one_from_the_first_to_the_last() -> None:
    """v1→v2→v3 is the join of v3, which names v1, and the leave of v1."""
    pending = Pending()
    pending.leave("u", meta("1"))
    pending.join("u", meta("2", prev="1"))
    pending.leave("u", meta("2", prev="1"))
    pending.join("u", meta("3", prev="2", away=True))
    net = pending.take(nobody)
    assert net == Net({"u": [meta("3", prev="1", away=True)]}, {"u": [meta("1")]})


def test_an_update_of_what_nobody_saw_is_a_join() -> None:
    """The join names no earlier ref."""
    pending = Pending()
    pending.join("u", meta("1"))
    pending.leave("u", meta("1"))
    pending.join("u", meta("2", prev="1"))
    assert pending.take(nobody) == Net({"u": [meta("2")]}, {})


def test_a_past_that_clients_know_stays_though_nothing_happened_to_it_now() -> None:
    """An update on another node can come in two parts."""
    for knows, past in ((True, "1"), (False, None)):
        pending = Pending()
        pending.join("u", meta("2", prev="1"))
        known = {("u", "1")} if knows else set[tuple[str, str]]()
        net = pending.take(only(known))
        assert net.joins == {"u": [meta("2", prev=past)]}


def test_a_past_that_runs_in_a_circle_ends() -> None:
    """Another node can send any refs."""
    pending = Pending()
    pending.join("u", meta("1", prev="2"))
    pending.join("u", meta("2", prev="1"))
    assert pending.take(nobody).joins == {"u": [meta("1"), meta("2")]}


def test_the_view_keeps_the_order_of_the_stock_client() -> None:
    """A meta that joins comes last, and replaces the extra data of its key."""
    view = View()
    view.apply({"u": {"metas": [meta("1"), meta("2")], "name": "Ann"}}, {})
    view.apply({"u": {"metas": [meta("1", n=2)], "name": "Anne"}}, {})
    assert state_of(view) == {"u": {"metas": [meta("2"), meta("1", n=2)], "name": "Anne"}}
    assert view.knows("u", "1")
    assert not view.knows("u", "3")
    assert not view.knows("v", "1")
    assert list(view) == ["u"]
    view.apply({}, {"u": {"metas": [meta("2"), meta("1")]}, "v": {"metas": [meta("9")]}})
    assert state_of(view) == {}
    assert len(view) == 0


def test_a_state_is_written_once_until_a_diff_comes() -> None:
    """Its metas are the texts of the diffs. A meta is written again only if the view has a different object."""
    view = View()
    one, two = meta("1"), meta("2", prev="1")
    joins, _ = view.apply({"u": {"metas": [one, two]}}, {})
    assert view.state() is view.state()
    _, leaves = view.apply({}, {"u": {"metas": [one, {**two, "phx_ref_prev": "0"}]}})
    assert leaves["u"]["metas"][0] is joins["u"]["metas"][0]
    assert json.decode(leaves["u"]["metas"][1]) == meta("2", prev="0")
    assert state_of(view) == {}


def test_the_view_sifts_what_is_no_news() -> None:
    """Joins of known metas and leaves of unknown metas are removed."""
    view = View()
    view.apply({"u": {"metas": [meta("1")]}, "v": {"metas": [meta("5")]}}, {})
    net = Net(
        {"u": [meta("1"), meta("2")], "v": [meta("5")]},
        {"u": [meta("3")], "v": [meta("5"), meta("6")]},
    )
    assert view.sift(net) == Net({"u": [meta("2")]}, {"v": [meta("5")]})


def test_the_view_tells_which_keys_a_difference_takes_away() -> None:
    """A key that has other metas, gets new metas, or is unknown is not among them."""
    view = View()
    view.apply({key: {"metas": [meta(key)]} for key in "abc"}, {})
    view.apply({"c": {"metas": [meta("c2")]}}, {})
    net = Net({"b": [meta("b2")]}, {key: [meta(key)] for key in "abcd"})
    assert view.left_by(net) == {"a"}


def test_the_tally_counts_keys_and_metas() -> None:
    """The tally also returns the keys that a difference has added and removed."""
    tally = Tally()
    for key in ("u", "u", "v"):
        tally.join(key)
    assert (len(tally.keys), tally.metas) == (2, 3)
    net = Net({"u": [meta("1"), meta("2")], "v": [meta("3")]}, {})
    assert tally.turnover(net) == (["u", "v"], [])
    tally.leave("u")
    tally.leave("v")
    net = Net({}, {"u": [meta("1")], "v": [meta("3")]})
    assert tally.turnover(net) == ([], ["v"])
    assert (len(tally.keys), tally.metas) == (1, 1)
    tally.join("u")
    assert tally.turnover(Net({"u": [meta("4")]}, {})) == ([], [])
    assert tally.turnover(Net({"u": [meta("4")]}, {"u": [meta("1")]})) == ([], [])


def test_metas_are_grouped_by_key() -> None:
    pairs = [("u", meta("1")), ("v", meta("2")), ("u", meta("3"))]
    assert metas_by_key(pairs) == {"u": [meta("1"), meta("3")], "v": [meta("2")]}


# Laws.

keys = st.sampled_from(["u1", "u2", "u3"])
numbers = st.integers(0, 7)
steps = st.lists(
    st.tuples(st.just("join"), keys)
    | st.tuples(st.sampled_from(["leave", "update", "halves", "hide", "show"]), numbers)
    | st.tuples(st.just("flush"), st.just(0)),
    max_size=40,
)


class World:
    """The presences, and the clients that follow them: since the beginning, or since a flush."""

    def __init__(self) -> None:
        self.present: dict[str, tuple[str, dict[str, Any]]] = {}
        self.hidden: dict[str, tuple[str, dict[str, Any]]] = {}
        self.pending = Pending()
        self.tally = Tally()
        self.view = View()
        self.followers: list[JSPresence] = []
        self.made = 0

    def join(self, key: str, prev: str | None = None) -> None:
        self.made += 1
        new = meta(f"R{self.made}", prev=prev)
        self.add(key, new)

    def add(self, key: str, new: dict[str, Any]) -> None:
        self.present[new["phx_ref"]] = (key, new)
        self.pending.join(key, new)
        self.tally.join(key)

    def leave(self, number: int) -> tuple[str, dict[str, Any]] | None:
        if number >= len(self.present):
            return None
        key, old = self.present.pop(list(self.present)[number])
        self.pending.leave(key, old)
        self.tally.leave(key)
        return key, old

    def step(self, what: str, which: Any) -> None:
        if what == "join":
            self.join(which)
        elif what == "flush":
            self.flush()
        elif what == "show":
            if which < len(self.hidden):
                self.add(*self.hidden.pop(list(self.hidden)[which]))
        elif (left := self.leave(which)) is not None:
            key, old = left
            if what == "hide":
                self.hidden[old["phx_ref"]] = left
            elif what == "halves":
                self.flush()
            if what in ("update", "halves"):
                self.join(key, prev=old["phx_ref"])

    def flush(self) -> None:
        before = set(self.view)
        net = self.pending.take(self.view.knows)
        assert self.view.sift(net) == net, "something was told twice"
        known = {m["phx_ref"] for value in state_of(self.view).values() for m in value["metas"]}
        for metas in net.joins.values():
            for one in metas:
                assert one.get("phx_ref_prev", next(iter(known), None)) in {*known, None}
        came, went = self.tally.turnover(net)
        joins = {key: {"metas": metas} for key, metas in net.joins.items()}
        leaves = {key: {"metas": metas} for key, metas in net.leaves.items()}
        gone = self.view.left_by(net)
        self.view.apply(joins, leaves)
        assert set(came) == set(self.view) - before
        assert set(went) == before - set(self.view) == gone
        for follower in self.followers:
            follower.receive("presence_diff", {"joins": joins, "leaves": leaves})
        newcomer = JSPresence()
        newcomer.receive("presence_state", state_of(self.view))
        self.followers.append(newcomer)

    def check(self) -> None:
        here: dict[str, set[str]] = {}
        for ref, (key, _) in self.present.items():
            here.setdefault(key, set()).add(ref)
        assert {key: len(refs) for key, refs in here.items()} == self.tally.keys
        assert sum(self.tally.keys.values()) == self.tally.metas
        for follower in self.followers:
            assert follower.state == state_of(self.view), "a client differs from the view"
            refs = follower.refs()
            assert {key: set(of_key) for key, of_key in refs.items()} == here


@property_test
@given(steps)
def test_whoever_follows_the_diffs_has_the_view_and_the_view_has_what_is_here(
    story: list[tuple[str, Any]],
) -> None:
    """This holds for any split into windows, and for clients that begin at any flush."""
    world = World()
    world.flush()
    for step in story:
        world.step(*step)
    world.flush()
    world.check()


@property_test
@given(steps)
def test_nobody_who_stays_is_seen_to_leave(story: list[tuple[str, Any]]) -> None:
    """If a key has a meta at the end of each window, no client sees the key leave."""
    world = World()
    world.add("always", meta("R"))
    world.flush()
    for step in story:
        if step[0] not in ("leave", "update", "halves", "hide") or step[1] > 0:
            world.step(*step)
    world.flush()
    for follower in world.followers:
        assert "always" in follower.state
        assert all(key != "always" for key, _ in follower.leaves)
