"""A channel's states, as phoenix.js has them: what each cause changes, and what follows from it."""

from __future__ import annotations

from collections import deque

import pytest

from bennu.client.states import TRANSITIONS, Cause, ChannelState, Effect, reconnects, transition

CLOSED, JOINING, JOINED = ChannelState.CLOSED, ChannelState.JOINING, ChannelState.JOINED
LEAVING, ERRORED = ChannelState.LEAVING, ChannelState.ERRORED


def after(*causes: Cause) -> ChannelState:
    """Return the state of a new channel after some causes."""
    state = CLOSED
    for cause in causes:
        state, _ = transition(state, cause)
    return state


def test_a_join_goes_through_joining_to_joined() -> None:
    assert after(Cause.JOIN) is JOINING
    assert after(Cause.JOIN, Cause.ACCEPTED) is JOINED


@pytest.mark.parametrize("failure", [Cause.REFUSED, Cause.JOIN_TIMEOUT, Cause.CRASHED, Cause.LOST])
def test_a_join_that_fails_is_tried_again(failure: Cause) -> None:
    assert after(Cause.JOIN, failure) is ERRORED
    assert after(Cause.JOIN, failure, Cause.REJOIN) is JOINING
    assert after(Cause.JOIN, failure, Cause.OPENED) is JOINING


def test_the_wait_before_the_next_join_needs_a_connection() -> None:
    """If the connection is lost, the channel joins when the next one opens, and not by a timer."""
    _, effects = transition(JOINING, Cause.LOST)
    assert Effect.TIME_REJOIN not in effects
    assert transition(ERRORED, Cause.LOST) == (ERRORED, (Effect.STOP_TIMER,))
    _, effects = transition(JOINING, Cause.REFUSED)
    assert effects[-1] is Effect.TIME_REJOIN


def test_a_join_that_timed_out_is_taken_back() -> None:
    """The server can still be busy with it."""
    _, effects = transition(JOINING, Cause.JOIN_TIMEOUT)
    assert effects[0] is Effect.SEND_LEAVE


def test_what_waited_for_the_join_is_sent_before_anybody_is_told() -> None:
    _, effects = transition(JOINING, Cause.ACCEPTED)
    assert effects == (Effect.STOP_TIMER, Effect.SEND_PUSHES, Effect.TELL_JOINED)


def test_a_leave_of_a_joined_channel_waits_for_its_answer() -> None:
    assert after(Cause.JOIN, Cause.ACCEPTED, Cause.LEAVE) is LEAVING
    assert after(Cause.JOIN, Cause.ACCEPTED, Cause.LEAVE, Cause.LEFT) is CLOSED


@pytest.mark.parametrize("before", [(Cause.JOIN,), (Cause.JOIN, Cause.REFUSED), ()])
def test_a_leave_of_any_other_channel_closes_it_at_once(before: tuple[Cause, ...]) -> None:
    assert after(*before, Cause.LEAVE) is CLOSED


def test_a_leave_takes_back_a_join_that_has_no_answer_yet() -> None:
    _, effects = transition(JOINING, Cause.LEAVE)
    assert effects[0] is Effect.SEND_LEAVE


@pytest.mark.parametrize("cause", [Cause.OPENED, Cause.REJOIN, Cause.LOST, Cause.ACCEPTED])
def test_a_closed_channel_does_not_join_by_itself(cause: Cause) -> None:
    assert after(Cause.JOIN, Cause.ACCEPTED, Cause.ENDED, cause) is CLOSED


@pytest.mark.parametrize("cause", [Cause.CRASHED, Cause.LOST, Cause.ENDED, Cause.SHUT])
def test_a_channel_that_leaves_never_joins_again(cause: Cause) -> None:
    assert after(Cause.JOIN, Cause.ACCEPTED, Cause.LEAVE, cause) is CLOSED


def test_a_second_error_during_the_wait_changes_nothing() -> None:
    assert transition(ERRORED, Cause.CRASHED) == (ERRORED, ())


def test_each_state_is_reached_and_can_be_closed() -> None:
    """Walk all causes from the beginning: no state is a trap, and none is unreachable."""
    seen, waiting = {CLOSED}, deque([CLOSED])
    while waiting:
        state = waiting.popleft()
        assert transition(state, Cause.SHUT)[0] is CLOSED
        for cause in Cause:
            following, _ = transition(state, cause)
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    assert seen == set(ChannelState)


def test_pushes_never_wait_for_a_channel_that_ended() -> None:
    """Each row from JOINED to another state fails what has no answer; each row to CLOSED fails everything."""
    for (before, cause), (following, effects) in TRANSITIONS.items():
        if before is JOINED and following is ERRORED:
            assert Effect.LOSE_PUSHES in effects, cause
        if before is not CLOSED and following is CLOSED:
            assert Effect.DROP_PUSHES in effects, cause
            assert Effect.STOP_TIMER in effects, cause


def test_each_effect_is_used() -> None:
    assert {effect for _, effects in TRANSITIONS.values() for effect in effects} == set(Effect)


@pytest.mark.parametrize(
    ("code", "answer"), [(1000, False), (1001, True), (1006, True), (1012, True), (4003, True)]
)
def test_only_a_normal_close_is_the_end(code: int, answer: bool) -> None:
    assert reconnects(code) is answer
