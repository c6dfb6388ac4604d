"""Finds mistakes in a channel class, or in a raw socket's handler, when the class is made."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet, Sequence
from typing import Any

from ..errors import DefinitionError, source_line

__all__ = [
    "HOOKS",
    "OPTIONS",
    "WRAPPERS",
    "check_class",
    "check_made_without_arguments",
    "refuse_keywords",
]

HOOKS = ("join", "after_join", "handle_in", "terminate", "history_floor")
OPTIONS = (
    "emits",
    "history",
    "max_inbox",
    "max_mailbox",
    "overflow",
    "terminate_timeout",
    "warn_waiting",
    "when_slow",
)

_MUTABLE = (MutableSequence, MutableMapping, MutableSet)
WRAPPERS: tuple[type[Any], ...] = (
    staticmethod,
    classmethod,
    property,
    functools.cached_property,
    functools.partialmethod,
)
_MARKS = ("__bennu_on__", "__bennu_on_out__", "__bennu_on_info__")


def check_class(cls: type, base: type, given: Sequence[str]) -> None:
    """Refuse a class that hides a name of its base class, or shares a mutable default among clients.

    Args:
        cls: The user's class.
        base: Bennu's class that the user's class is derived from.
        given: Names of the base class that the user's class can define: hooks and options.

    Raises:
        DefinitionError: A name of the base class is hidden, or all clients share a mutable default.
    """
    for name, value in vars(cls).items():
        if name.startswith("__"):
            continue
        is_handler = _is_marked(value)
        kind = _kind_of(value)
        _refuse_hidden_handler(cls, name, value, is_hook=name in given)
        if hasattr(base, name) and (is_handler or name not in given):
            raise DefinitionError(
                f"{cls.__qualname__}.{name} hides {base.__name__}.{name}",
                expected="a name of its own for each handler and attribute",
                got=f"the name of something that every {base.__name__} has: {name!r}",
                write=_rename(name, value, is_handler),
                where=source_line(value) if callable(value) else _class_line(cls),
            )
        if isinstance(value, _MUTABLE) and name not in given:
            raise DefinitionError(
                f"{cls.__qualname__}.{name} is one {kind} for all clients",
                expected="a default that can't change, or state made for each object",
                got=f"{name} = {value!r} in the class body",
                write=f"self.{name} = {value!r}  # in async def {given[0]}(self)",
                where=_class_line(cls),
            )


def _kind_of(value: Any) -> str:
    return type(value).__name__


def _is_marked(value: Any) -> bool:
    return any(hasattr(value, mark) for mark in _MARKS)


def _refuse_hidden_handler(cls: type, name: str, value: Any, *, is_hook: bool) -> None:
    """Refuse a handler that is no method, or whose ``@on`` another decorator hides.

    Raises:
        DefinitionError: The handler would never run, or would run without self.
    """
    kind = _kind_of(value)
    if isinstance(value, WRAPPERS):
        if is_hook or _is_marked(value) or any(map(_is_marked, _inside(value))):
            raise DefinitionError(
                f"{cls.__qualname__}.{name} is a {kind}",
                expected="a method: it takes self, which is the client's channel",
                got=f"@{kind}",
                write=f"async def {name}(self, ...) without @{kind}",
                where=_class_line(cls),
            )
    elif callable(value) and not isinstance(value, type) and not _is_marked(value):
        hidden = next(filter(_is_marked, _inside(value)), None)
        if hidden is not None:
            raise DefinitionError(
                f"{cls.__qualname__}.{name} is no handler: a decorator above @on hides it",
                expected="@on as the first decorator, or one that keeps the function's attributes",
                got=repr(value),
                write="@on(...) above the other decorator, or @functools.wraps(function) in it",
                where=source_line(hidden),
            )


def _inside(value: Any) -> Iterator[Any]:
    """Yield the objects that a wrapper holds: a descriptor's or partial's function, closure cells, attributes."""
    for name in ("__func__", "__wrapped__", "func", "fget"):
        inner = getattr(value, name, None)
        if inner is not None:
            yield inner
    for cell in getattr(value, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # the cell is filled later
            continue
    yield from getattr(value, "__dict__", {}).values()


def check_made_without_arguments(cls: type) -> None:
    """Refuse a class whose objects Bennu can't make without arguments.

    Raises:
        DefinitionError: The class needs arguments, is a data class, or is abstract.
    """
    if "__dataclass_fields__" in dir(cls) or "__attrs_attrs__" in dir(cls):
        raise DefinitionError(
            f"{cls.__qualname__} is a dataclass",
            expected="a plain class: Bennu makes its objects, and two of them are never equal",
            got="@dataclass",
            write=f"class {cls.__name__}: ..., with annotations for parameters of the topic",
            where=_class_line(cls),
        )
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise DefinitionError(
            f"{cls.__qualname__} is abstract",
            expected="a class that has all of its methods",
            got=f"no {', '.join(missing)}",
            write=f"async def {missing[0]}(self, ...)",
            where=_class_line(cls),
        )
    for name in ("__init__", "__new__"):
        made: Any = getattr(cls, name)
        if not inspect.isfunction(made):
            continue
        needed = [
            one.name
            for one in list(inspect.signature(made).parameters.values())[1:]
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]
        if needed:
            raise DefinitionError(
                f"{cls.__qualname__}.{name} takes arguments",
                expected="nothing but self: Bennu makes an object for each client",
                got=", ".join(needed),
                write="state of all clients in the lifespan's state (self.state), and state of one client in join",
                where=source_line(made),
            )


def refuse_keywords(cls: type, options: Sequence[str], given: dict[str, Any]) -> None:
    """Refuse options that are keywords in a class statement: options belong in the body of the class.

    Raises:
        DefinitionError: A keyword is an option's name, or nearly an option's name.
    """
    for keyword, value in given.items():
        nearest = difflib.get_close_matches(keyword, options, n=1)
        if not nearest:
            continue  # another base class takes this keyword
        name = nearest[0]
        raise DefinitionError(
            f"class {cls.__qualname__}(..., {keyword}={value!r})",
            expected="options in the body of the class",
            got=f"{keyword} as a keyword",
            write=f"{name} = {value!r}",
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
