"""Which answer belongs to which command."""

from __future__ import annotations

import pytest
from hiredis import ProtocolError, ReplyError

from bennu.bus.redis.answers import Answers


def nobody(mark: object, error: str) -> None:
    raise AssertionError(f"{mark} was refused: {error}")


async def test_answers_come_in_the_order_of_the_commands() -> None:
    refused: list[tuple[object, str]] = []
    answers = Answers(lambda mark, error: refused.append((mark, error)))
    one = answers.expect()
    answers.expect_marks(["a", "b"])
    two = answers.expect()
    assert len(answers) == 4
    for reply in (b"1", 7, ReplyError("NOPERM b"), ReplyError("ERR two")):
        answers.take(reply)
    assert await one == b"1"
    assert refused == [("b", "NOPERM b")]
    with pytest.raises(ReplyError, match="ERR two"):
        await two
    assert len(answers) == 0


async def test_a_subscription_is_answered_by_the_ping_after_it_or_by_an_error() -> None:
    answers = Answers(nobody)
    one, two, three = answers.expect_change(), answers.expect_change(), answers.expect_change()
    for reply in ("PONG", ReplyError("MOVED 1 a:1"), "PONG", "PONG"):
        answers.take(reply)
    assert await one == await three == "PONG"
    with pytest.raises(ReplyError, match="MOVED"):
        await two
    assert len(answers) == 0


async def test_an_answer_to_a_command_that_was_given_up_is_dropped() -> None:
    answers = Answers(nobody)
    gone, changed, kept = answers.expect(), answers.expect_change(), answers.expect()
    gone.cancel()
    changed.cancel()
    for reply in ("1", ReplyError("MOVED 1 a:1"), "PONG", "2"):
        answers.take(reply)
    assert await kept == "2"


def test_an_answer_to_no_command_breaks_the_protocol() -> None:
    with pytest.raises(ProtocolError, match="max number of clients"):
        Answers(nobody).take(ReplyError("ERR max number of clients reached"))


async def test_each_command_that_waits_gets_an_error_of_its_own() -> None:
    answers = Answers(nobody)
    one, done, change = answers.expect(), answers.expect(), answers.expect_change()
    done.cancel()
    answers.expect_marks([None])
    answers.fail(lambda: ConnectionError("gone"))
    assert len(answers) == 0
    assert one.exception() is not change.exception()
    assert isinstance(one.exception(), ConnectionError)
