"""The rules of recovery for a client (docs/recovery.md), as data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from bennu import DefinitionError
from bennu.client.recovery import FrameVerdict, RecoveryState, place_of

TOKEN = "f1c0ffee00000000"


def answer(position: str, *, recovered: bool = True, **more: Any) -> dict[str, Any]:
    offset, epoch = position.split(":")
    found = {"recovered": recovered, "epoch": epoch, "offset": int(offset), **more}
    return {"title": "Lobby", "recovery": found}


def lost(position: str, reason: str) -> dict[str, Any]:
    return answer(position, recovered=False, reason=reason)


def joined(position: str = "5:e") -> RecoveryState[int]:
    """Return the state of a channel that has joined, at a position."""
    state: RecoveryState[int] = RecoveryState(TOKEN)
    state.joined(lost(position, "new"))
    return state


def takes(state: RecoveryState[int], *refs: str, is_joined: bool = True) -> list[str]:
    """Return the refs that are taken."""
    return [ref for ref in refs if state.take(ref, is_joined=is_joined) is FrameVerdict.TAKE]


@pytest.mark.parametrize(
    "ref", [None, 8, "7", "", ":e", "7:", "x:e", "7:e!", "12345678901234567:e", f"7:{'e' * 33}"]
)
def test_any_other_ref_is_no_position(ref: object) -> None:
    assert place_of(ref) is None


@given(st.integers(0, 2**53 - 1), st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True))
def test_a_position_is_read_as_it_is_written(offset: int, epoch: str) -> None:
    text = f"{offset}:{epoch}"
    assert str(place_of(text)) == text


def test_the_first_join_asks_without_a_position_and_loses_nothing() -> None:
    state: RecoveryState[int] = RecoveryState(TOKEN)
    assert (state.ask(), state.position) == ({"client": TOKEN}, None)
    assert state.joined(lost("5:e", "new")) is None
    assert not state.must_load()
    assert state.position == "5:e"


def test_a_channel_can_begin_with_the_position_of_its_state() -> None:
    state: RecoveryState[int] = RecoveryState(TOKEN, "17:e")
    assert state.ask() == {"client": TOKEN, "epoch": "e", "offset": 17}
    assert state.joined(answer("17:e", count=1)) == 1
    assert takes(state, "18:e") == ["18:e"]


def test_a_state_that_is_too_old_is_loaded_again() -> None:
    state: RecoveryState[int] = RecoveryState(TOKEN, "17:e")
    assert state.joined(lost("40:e", "trimmed")) is None
    assert state.must_load()
    assert state.begin() == "trimmed"


@pytest.mark.parametrize("position", ["7", "", 8, ("e", 7)])
def test_what_is_no_position_says_what_to_write(position: Any) -> None:
    with pytest.raises(DefinitionError, match=r"write: +position=str\(position\)"):
        RecoveryState(TOKEN, position)


def test_repeats_and_other_epochs_are_dropped() -> None:
    state = joined()
    assert takes(state, "6:e", "6:e", "5:e", "7:e", "9:f", "8:e") == ["6:e", "7:e", "8:e"]
    assert state.position == "8:e"


def test_nothing_is_taken_before_the_reply_to_the_join() -> None:
    state = joined()
    assert takes(state, "6:e", is_joined=False) == []
    assert state.joined(answer("5:e", count=1)) == 1
    assert takes(state, "6:e") == ["6:e"]
    assert takes(RecoveryState(TOKEN), "6:e") == []


def test_what_has_no_position_passes() -> None:
    state = joined()
    assert state.take(None, is_joined=False) is FrameVerdict.PASS
    assert state.take("17", is_joined=True) is FrameVerdict.PASS


@pytest.mark.parametrize("reason", ["trimmed", "too_many", "epoch", "ahead", "invalid"])
def test_a_loss_has_its_reason_and_the_position_of_the_reply(reason: str) -> None:
    state = joined()
    state.joined(lost("40:f", reason))
    assert state.must_load()
    assert state.position is None
    assert state.begin() == reason
    assert (state.must_load(), state.is_loading) == (False, True)
    assert takes(state, "41:f") == ["41:f"]


@pytest.mark.parametrize(
    "response",
    [{}, None, 7, {"recovery": 7}, lost("5:e", "new"), {"recovery": {"epoch": "e", "offset": 1}}],
)
def test_a_topic_without_history_may_have_lost_something(response: Any) -> None:
    state = joined()
    state.joined(response)
    assert state.must_load()
    assert state.begin() == "no_history"


def held(state: RecoveryState[int], *offsets: int, epoch: str = "e") -> None:
    """Let messages come while the state is loaded."""
    for offset in offsets:
        assert state.take(f"{offset}:{epoch}", is_joined=True) is FrameVerdict.TAKE
        assert state.hold(offset)


@pytest.mark.parametrize(
    ("position", "passed", "after"),
    [
        (None, [41, 42, 43], "43:e"),
        ("42:e", [43], "43:e"),
        ("45:e", [], "45:e"),
        ("42:f", [41, 42, 43], "43:e"),
    ],
)
def test_messages_wait_until_the_state_is_loaded(
    position: str | None, passed: list[int], after: str
) -> None:
    """Those that the loaded state has are dropped. A position of another epoch drops none."""
    state = joined()
    state.joined(lost("40:e", "trimmed"))
    state.begin()
    held(state, 41, 42, 43)
    before = state.position
    assert state.loaded(position) == passed
    assert (before, state.position) == (None, after)
    assert not state.hold(44)


def test_a_join_during_the_load_starts_after_what_waits() -> None:
    state = joined()
    state.joined(lost("40:e", "trimmed"))
    state.begin()
    held(state, 41)
    assert state.ask()["offset"] == 41
    assert state.joined(answer("41:e", count=1)) == 1
    held(state, 42)
    assert state.loaded("40:e") == [41, 42]


def test_a_state_that_is_newer_than_the_reply_does_not_move_back() -> None:
    """The join said 41, and `missed` returns 43 before the reply."""
    state = joined()
    state.joined(lost("40:e", "trimmed"))
    state.begin()
    held(state, 41)
    state.ask()
    assert state.loaded("43:e") == []
    assert state.joined(answer("41:e", count=3)) == 3
    assert takes(state, "42:e", "43:e", "44:e") == ["44:e"]


def test_a_second_loss_during_the_load_is_loaded_too() -> None:
    state = joined()
    state.joined(lost("40:e", "trimmed"))
    state.begin()
    held(state, 41)
    state.joined(lost("50:e", "too_many"))
    assert not state.must_load()
    held(state, 51)
    assert state.loaded("42:e") is None
    assert state.begin() == "too_many"
    held(state, 52)
    assert state.loaded("51:e") == [52]


def test_a_failed_load_is_tried_again_after_the_next_join() -> None:
    state = joined()
    state.joined(lost("40:e", "trimmed"))
    state.begin()
    held(state, 41)
    assert state.failed() == [41]
    assert takes(state, "42:e") == ["42:e"]
    assert not state.hold(42)
    assert state.position is None
    assert state.joined(answer("42:e", count=0)) is None
    assert state.must_load()
    assert state.begin() == "trimmed"
    state.lose("slow")
    assert state.failed() is None
    assert state.begin() == "slow"


def test_an_old_state_is_a_failed_load() -> None:
    """It came from a cache: the channel would have a hole."""
    state = joined()
    state.joined(lost("40:e", "trimmed"))
    state.begin()
    held(state, 41)
    with pytest.raises(DefinitionError, match="the state at 40:e, or a newer one"):
        state.loaded("39:e")
    assert state.failed() == [41]


def test_a_count_that_is_missing_is_none() -> None:
    state = joined()
    assert state.joined(answer("5:e")) == 0


def test_a_refused_join_keeps_the_position() -> None:
    state = joined()
    assert takes(state, "6:e") == ["6:e"]
    assert state.ask() == {"client": TOKEN, "epoch": "e", "offset": 6}
    assert state.ask() == {"client": TOKEN, "epoch": "e", "offset": 6}
