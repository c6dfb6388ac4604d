"""Reads the replies to a join or a push from the annotation of a handler's result. Pure.

========================================  ================================================
``-> Ack``                                an ok reply
``-> None``                               no reply
``-> Ack | None``                         an ok reply, or none
``-> Ok[Ack]``, ``-> Ok``                 an ok reply; without brackets its type is unknown
``-> Ok[Ack] | Error[Problem]``           an ok reply or an error reply
``-> Reply[Place]``                       a status of your own
``-> bytes``                              an ok reply, as a binary frame
no annotation                             unknown
========================================  ================================================
"""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

from ..message import Error, Ok, Reply
from .model import EMPTY, NOTHING, ReplyContract

__all__ = ["reply_of"]


def reply_of(annotation: Any, *, is_join: bool, answers_later: bool = False) -> ReplyContract:
    """Return the replies that a handler's annotation promises.

    Args:
        annotation: What the handler returns; ``Any`` if nothing says it, ``NOTHING`` if there is no handler.
        is_join: Whether the handler is a ``join``, which is always answered.
        answers_later: Whether the handler takes the ref of the message, to reply later.
    """
    if annotation is NOTHING:
        return ReplyContract(EMPTY)
    if annotation in (Any, object):
        return ReplyContract(Any, is_certain=is_join)
    parts = (
        get_args(annotation)
        if get_origin(annotation) in (Union, types.UnionType)
        else (annotation,)
    )
    values: list[Any] = []
    errors: list[Any] = []
    others: list[Any] = []
    is_certain = True
    for part in parts:
        kind = get_origin(part) or part
        [inner, *_] = get_args(part) or (Any,)
        if part in (None, type(None)):
            is_certain = is_join
        elif kind is Ok:
            values.append(inner)
        elif kind is Error:
            errors.append(inner)
        elif kind is Reply:
            others.append(inner)
        else:
            values.append(part)
    if is_join and not values and not errors:
        values.append(EMPTY)
    if answers_later and not values:
        values.append(Any)
    return ReplyContract(_one_of(values), _one_of(errors), _one_of(others), is_certain)


def _one_of(kinds: list[Any]) -> Any:
    """Return the type of all kinds; ``NOTHING`` if there are none."""
    if not kinds:
        return NOTHING
    if any(kind in (Any, object) for kind in kinds):
        return Any
    return Union[tuple(kinds)]  # noqa: UP007 - of as many types as there are
