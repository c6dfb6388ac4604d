"""What the project's tests want to know of its modules. Each module is parsed once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Contents", "contents", "modules", "read"]

PUBLIC: Final = {"_asdict", "_exit", "_fields", "_make", "_replace"}
"""Public names, by the documentation of Python."""

FRAME: Final = re.compile(
    r'phx_(join|leave|reply|close|error)\b|^\s*\[(\s*("[^"]*"|null|[0-9]+)\s*,){2}\s*"'
)
"""A name of the protocol, or the begin of a V2 message."""


class Contents(NamedTuple):
    """What a module contains.

    Attributes:
        classes: The names of its classes.
        own_names: The private names that its own classes define.
        private_names: The private names of other modules that it uses, in any spelling.
        writes_frames: Whether it writes frames of the protocol by hand.
        configures_django: Whether it calls ``settings.configure``.
    """

    classes: Sequence[str]
    own_names: set[str]
    private_names: set[str]
    writes_frames: bool
    configures_django: bool


def modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each Python module below a folder: its path from there, as text and as a path."""
    for path in sorted(folder.rglob("*.py")):
        # The files of a new project are data here: tests/generators checks them.
        if not {"node_modules", "templates"}.intersection(path.parts):
            yield path.relative_to(folder).as_posix(), path


@cache
def read(path: Path) -> Contents:
    """Return what a module contains."""
    return contents(path.read_text())


def contents(source: str) -> Contents:
    """Return what the source of a module contains."""
    nodes = [*ast.walk(ast.parse(source))]
    docs = {
        node.value
        for node in nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return Contents(
        [node.name for node in nodes if isinstance(node, ast.ClassDef)],
        own_names(nodes),
        set(private_names(nodes)),
        any(is_frame(node) for node in nodes if node not in docs),
        any(is_configuration(node) for node in nodes),
    )


# Private names


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[a-zA-Z]\w*", name) is not None


def own_names(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the private names that a module's own classes define."""
    names = set()
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=slots):
                names |= {
                    str(one.value) for one in ast.walk(slots) if isinstance(one, ast.Constant)
                }
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                names.add(name)
    return {name for name in names if is_private(name)} - PUBLIC


def private_names(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the private names of other modules that a module uses, in any spelling."""
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name):
                yield name
            case ast.Constant(value=str(text)) if re.fullmatch(
                r"(bennu\.[\w.]+\.)?_[a-z]\w*", text
            ):
                yield text.split(".")[-1]  # for monkeypatch.setattr
            case ast.ImportFrom(names=aliases):
                yield from (alias.name for alias in aliases)


# Frames


def text_of(node: ast.AST) -> str:
    """Return the text of a literal; a value in an f-string is a zero."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(data)):
            return data.decode("latin-1")
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part) or "0" for part in parts)
    return ""


def is_frame(node: ast.AST) -> bool:
    """Return whether a node is a frame as values or as JSON, or a text with a name of the protocol."""
    match node:
        case ast.Constant() | ast.JoinedStr():
            return FRAME.search(text_of(node)) is not None
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            match parts:
                case [_, _, _, ast.Constant(value=str()), payload]:
                    return re.match(r"[{b]|ok\(|error\(", ast.unparse(payload)) is not None
        case ast.Call(
            func=ast.Attribute(attr="send"), args=[_, _, _, ast.Constant(value=str()), *_]
        ):
            return True
    return False


# Django


def is_configuration(node: ast.AST) -> bool:
    """Return whether a node is a call of ``settings.configure``."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("settings.configure")
