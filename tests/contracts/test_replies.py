"""Replies, read from the annotation of a handler's result."""

from __future__ import annotations

from typing import Any, Final

import pytest

from bennu import Error, Ok, Reply
from bennu.contracts.model import EMPTY, NOTHING, ReplyContract
from bennu.contracts.replies import reply_of

SOMETIMES: Final = {"is_certain": False}

PUSHES: Final[dict[str, tuple[Any, ReplyContract]]] = {
    "a type": (int, ReplyContract(int)),
    "None": (None, ReplyContract(**SOMETIMES)),
    "NoneType": (type(None), ReplyContract(**SOMETIMES)),
    "a type or None": (int | None, ReplyContract(int, **SOMETIMES)),
    "two types": (int | str, ReplyContract(int | str)),
    "Ok": (Ok, ReplyContract(Any)),
    "Ok of a type": (Ok[int], ReplyContract(int)),
    "Ok and Error": (Ok[int] | Error[str], ReplyContract(int, str)),
    "Error": (Error, ReplyContract(error=Any)),
    "Reply": (Reply[int], ReplyContract(other=int)),
    "bytes": (bytes, ReplyContract(bytes)),
    "nothing said": (Any, ReplyContract(Any, **SOMETIMES)),
    "no handler": (NOTHING, ReplyContract(EMPTY)),
}


@pytest.mark.parametrize(("annotation", "reply"), PUSHES.values(), ids=PUSHES)
def test_a_push(annotation: Any, reply: ReplyContract) -> None:
    assert reply_of(annotation, is_join=False) == reply


@pytest.mark.parametrize(
    ("annotation", "reply"),
    [
        (None, ReplyContract(EMPTY)),
        (int | None, ReplyContract(int)),
        (Error[int], ReplyContract(error=int)),
        (Any, ReplyContract(Any)),
    ],
)
def test_a_join_is_always_answered(annotation: Any, reply: ReplyContract) -> None:
    assert reply_of(annotation, is_join=True) == reply


def test_a_later_reply_can_be_anything() -> None:
    assert reply_of(None, is_join=False, answers_later=True) == ReplyContract(Any, is_certain=False)
    assert reply_of(int, is_join=False, answers_later=True) == ReplyContract(int)
