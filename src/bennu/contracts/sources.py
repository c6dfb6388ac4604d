"""Reads what a user's method does from its source: the events that it sends, and the reasons with which it refuses.

Nothing is called. A name is looked up where the method would look it up, so ``self.push("said", Said(...))`` tells the
event and the type of its payload. What the source does not say plainly stays unknown.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, cast

from ..channel import Channel
from ..errors import BennuError, Refused
from ..message import Error, Ok
from ..presence import Presence
from ..user_code.signatures import hint_of, hints_of_class
from .model import EMPTY

__all__ = ["UNKNOWN", "MethodSource", "Sent", "read_function", "read_methods"]

UNKNOWN: Final = Any
"""The type of what the source does not say plainly."""

SENDS: Final = frozenset(
    {"push", "broadcast", "broadcast_from", "local_broadcast", "local_broadcast_from"}
)
SHOWS: Final = frozenset({"push_state", "track"})
"""Methods of a presence that make a channel's client get its events."""


class Sent(typing.NamedTuple):
    """An event that a method sends.

    Attributes:
        event: The name of the event.
        payload: The type of the payload, or ``UNKNOWN``.
    """

    event: str
    payload: Any


@dataclass(slots=True)
class MethodSource:
    """What one method does.

    Attributes:
        sends: The events that it sends.
        sends_more: Whether it sends an event whose name the source does not say.
        refusals: The reasons with which it refuses.
        presences: The presences that it uses; None for one that the source does not name.
        calls: The names of other methods of the object that it calls.
        answers_later: Whether it takes the ref of the message, to reply later.
        oks: The types of the responses of ``return Ok(...)``.
    """

    sends: list[Sent] = field(default_factory=list[Sent])
    sends_more: bool = False
    refusals: list[str] = field(default_factory=list[str])
    presences: list[Presence | None] = field(default_factory=list[Presence | None])
    calls: list[str] = field(default_factory=list[str])
    answers_later: bool = False
    oks: list[Any] = field(default_factory=list[Any])


def read_methods(channel: type[Channel[Any, Any]]) -> Mapping[str, MethodSource]:
    """Return what each method of a channel class does, by its name; methods of Bennu itself are left out.

    Args:
        channel: The channel class.
    """
    found: dict[str, MethodSource] = {}
    for base in channel.__mro__:
        if base.__module__.split(".")[0] in ("bennu", "typing", "builtins"):
            continue
        for name, value in vars(base).items():
            if name not in found and inspect.isfunction(value):
                found[name] = read_function(value, channel)
    return found


def read_function(function: Any, owner: type[Any] | None = None) -> MethodSource:
    """Return what a function does.

    Args:
        function: The function.
        owner: The class of ``self``; None for a function that is no method.
    """
    tree = _tree_of(function)
    return MethodSource() if tree is None else _SourceReader(function, owner, tree).read()


def _tree_of(function: Any) -> ast.AST | None:
    """Return the syntax tree of a function; None if it has no Python source."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return None


class _SourceReader:
    """Reads one function.

    Args:
        function: The function.
        owner: The class of ``self``.
        tree: The syntax tree of the function.
    """

    def __init__(self, function: Any, owner: type[Any] | None, tree: ast.AST) -> None:
        self._function = inspect.unwrap(function)
        self._owner = owner
        self._tree = tree
        self._names = _names_of(self._function)
        self._locals = self._types_of_locals()

    def read(self) -> MethodSource:
        """Return what the function does."""
        found = MethodSource()
        for node in ast.walk(self._tree):
            match node:
                case ast.Call(func=ast.Attribute(value=of, attr=name)):
                    self._read_call(found, node, of, name)
                case ast.Raise(exc=ast.Call(func=raised) as made):
                    kind = self._value(raised)
                    if isinstance(kind, type) and issubclass(kind, Refused):
                        self._read_refusal(found, made)
                case ast.Return(value=ast.Call(func=made_of, args=given)) if (
                    self._value(made_of) is Ok
                ):
                    found.oks.append(self._type(given[0]) if given else EMPTY)
                case ast.Call(func=made_of, args=[ast.Dict() as response, *_]):
                    if self._value(made_of) is Error:
                        _read_response(found, response)
                case _:
                    pass
        return found

    def _read_call(self, found: MethodSource, call: ast.Call, of: ast.expr, name: str) -> None:
        is_own = isinstance(of, ast.Name) and of.id == "self"
        is_sync = ast.unparse(of) == "self.sync"
        if name in SENDS and (is_own or is_sync) and call.args:
            self._read_send(found, call)
        elif name in SHOWS and call.args and ast.unparse(call.args[0]) == "self":
            presence = self._value(of)
            found.presences.append(presence if isinstance(presence, Presence) else None)
        elif is_own and name == "ref":
            found.answers_later = True
        elif is_own:
            found.calls.append(name)

    def _read_send(self, found: MethodSource, call: ast.Call) -> None:
        event = self._value(call.args[0])
        if not isinstance(event, str):
            found.sends_more = True
            return
        keywords = {one.arg: one.value for one in call.keywords}
        given = call.args[1] if len(call.args) > 1 else keywords.get("payload")
        found.sends.append(Sent(event, EMPTY if given is None else self._type(given)))

    def _read_refusal(self, found: MethodSource, made: ast.Call) -> None:
        reason = self._value(made.args[0]) if made.args else None
        if isinstance(reason, str):
            found.refusals.append(reason)

    # Names, values and types.

    def _value(self, node: ast.expr) -> Any:
        """Return the value of a constant, or of a name outside of the function; None if it is something else."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name not in self._locals:
                return self._names.get(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if self._owner is not None:
                value = inspect.getattr_static(self._owner, name, None)
                return value if isinstance(value, str | Presence) else None
            case ast.Attribute(value=of, attr=name):
                whole = self._value(of)
                return None if whole is None else inspect.getattr_static(whole, name, None)
            case _:
                return None

    def _type(self, node: ast.expr) -> Any:
        """Return the type of an expression, if the source says it plainly."""
        match node:
            case ast.Await(value=inner):
                return self._type(inner)
            case ast.Constant(value=None):
                return EMPTY
            case ast.Constant(value=bytes()):
                return bytes
            case ast.Dict(keys=keys):
                return dict[str, Any] if keys else EMPTY
            case ast.Name(id=name):
                return self._locals.get(name, UNKNOWN)
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if self._owner is not None:
                return self._attribute(name)
            case ast.Call(func=made_of):
                return self._result(made_of)
            case _:
                return UNKNOWN

    def _attribute(self, name: str) -> Any:
        try:
            return hints_of_class(cast("type[Any]", self._owner), [name]).get(name, UNKNOWN)
        except BennuError:
            return UNKNOWN

    def _result(self, node: ast.expr) -> Any:
        """Return the type of what a call returns: the class that is called, or what a function's annotation says."""
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if self._owner is not None:
                made = inspect.getattr_static(self._owner, name, None)
            case _:
                made = self._value(node)
        if isinstance(made, type):
            return made
        if not inspect.isfunction(made):
            return UNKNOWN
        return _hint(made, "return")

    def _types_of_locals(self) -> dict[str, Any]:
        """Return the types of the parameters and of the variables: ``UNKNOWN`` if the source says none, or several."""
        found: dict[str, Any] = {}
        self._locals = found
        for name in _parameters(self._tree):
            found[name] = _hint(self._function, name)
        for node in ast.walk(self._tree):
            for name, kind in self._assigned(node):
                found[name] = kind if found.get(name, kind) == kind else UNKNOWN
        return found

    def _assigned(self, node: ast.AST) -> Iterator[tuple[str, Any]]:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                yield name, self._annotation(annotation)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, self._type(value)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                yield name, self._type(value)
            case ast.Name(id=name, ctx=ast.Store()):
                if name not in self._locals:
                    yield name, UNKNOWN
            case _:
                pass

    def _annotation(self, node: ast.expr) -> Any:
        holder = SimpleNamespace(__annotations__={"it": ast.unparse(node)})
        try:
            return typing.get_type_hints(holder, dict(self._names), include_extras=True)["it"]
        except Exception:  # noqa: BLE001 - the annotation of a variable is never evaluated by Python
            return UNKNOWN


def _parameters(tree: ast.AST) -> list[str]:
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    given = tree.args
    return [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)][1:]


def _hint(function: Any, name: str) -> Any:
    try:
        hint = hint_of(function, name)
    except BennuError:
        return UNKNOWN
    return UNKNOWN if hint is None else hint


def _names_of(function: Any) -> dict[str, Any]:
    """Return the names that a function sees: of its module, and of the functions around it."""
    names = dict(getattr(function, "__globals__", {}))
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(
        getattr(function, "__code__", SimpleNamespace(co_freevars=())).co_freevars,
        cells,
        strict=False,
    ):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # it is not assigned yet
            continue
    return names


def _read_response(found: MethodSource, response: ast.Dict) -> None:
    for key, value in zip(response.keys, response.values, strict=True):
        match key, value:
            case ast.Constant(value="reason"), ast.Constant(value=str(reason)):
                found.refusals.append(reason)
            case _:
                pass
