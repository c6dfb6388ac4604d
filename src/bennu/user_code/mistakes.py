"""Mistakes in a channel class, or a raw socket's handler, that can be seen when the class is made."""

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

HOOKS = ("join", "after_join", "handle_in", "terminate")
OPTIONS = ("emits", "max_inbox", "max_mailbox", "overflow", "terminate_timeout", "when_slow")

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
    """Refuse a handler that is no method any more, or whose mark another decorator has hidden.

    Raises:
        DefinitionError: It is one: it would never run, or without self.
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
    """Yield what a wrapper holds: the function of a descriptor or partial, cells of a closure, attributes."""
    for name in ("__func__", "__wrapped__", "func", "fget"):
        inner = getattr(value, name, None)
        if inner is not None:
            yield inner
    for cell in getattr(value, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is filled later
            continue
    yield from getattr(value, "__dict__", {}).values()


def check_made_without_arguments(cls: type) -> None:
    """Refuse a class of which Bennu can't make the object of a client.

    Raises:
        DefinitionError: Its objects are made of arguments, or are data, or it is abstract.
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
                write="what all clients share in the lifespan's state (self.state); what is a client's own in join",
                where=source_line(made),
            )


def refuse_keywords(cls: type, options: Sequence[str], given: dict[str, Any]) -> None:
    """Refuse options that stand beside the base class: they belong into its body.

    Raises:
        DefinitionError: There is one, or a name that is nearly one.
    """
    for keyword, value in given.items():
        nearest = difflib.get_close_matches(keyword, options, n=1)
        if not nearest:
            continue  # of another base class
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
