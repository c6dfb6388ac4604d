"""Mistakes in a channel class, or a raw socket's handler, that can be seen when the class is made."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from .errors import DefinitionError, source_line

__all__ = ["HOOKS", "OPTIONS", "check_class"]

HOOKS = ("join", "after_join", "handle_in", "terminate")
OPTIONS = ("emits", "max_inbox", "max_mailbox", "overflow", "terminate_timeout", "when_slow")

_MUTABLE = (list, dict, set, bytearray)
_MARKS = ("__bennu_on__", "__bennu_on_out__", "__bennu_on_info__")


def check_class(cls: type, base: type, given: Sequence[str]) -> None:
    """Refuse a class that would not do what its author thinks.

    Args:
        cls: The user's class.
        base: What it is made of.
        given: The names of the base that it may give a meaning of its own: hooks and options.

    Raises:
        DefinitionError: A name of the base class is shadowed, or a default is shared by all.
    """
    for name, value in vars(cls).items():
        if name.startswith("__"):
            continue
        is_handler = any(hasattr(value, mark) for mark in _MARKS)
        if hasattr(base, name) and (is_handler or name not in given):
            raise DefinitionError(
                f"{cls.__qualname__}.{name} hides {base.__name__}.{name}",
                expected="a name of its own for each handler and attribute",
                got=f"the name of something that every {base.__name__} has: {name!r}",
                write=_rename(name, value, is_handler),
                where=source_line(value) if callable(value) else _class_line(cls),
            )
        if type(value) in _MUTABLE and name not in given:
            raise DefinitionError(
                f"{cls.__qualname__}.{name} is one {type(value).__name__} for all clients",
                expected="a default that can't change, or state made for each object",
                got=f"{name} = {value!r} in the class body",
                write=f"self.{name} = {value!r}  # in async def {given[0]}(self)",
                where=_class_line(cls),
            )


def _rename(name: str, value: Any, is_handler: bool) -> str:
    if not is_handler:
        return f"{name}_ = ..."
    event = getattr(value, "__bennu_on__", (name,))[0]
    return f'@on("{event}")  async def on_{name}(self, ...): ...'


def _class_line(cls: type) -> str | None:
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return None
