"""Adds a channel to the table of a socket, in the text of a module. Everything else in the text stays as it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..errors import BennuError
from ..topic import Pattern

__all__ = ["NotAdded", "add_channel"]


class NotAdded(BennuError):
    """The table can't be changed safely, or need not be. The message says why."""


def add_channel(source: str, topic: str, module: str, channel: str) -> str:
    """Return the text of a module with one more channel in the table of its socket.

    Args:
        source: The text of the module.
        topic: The pattern of the channel's topics.
        module: The module of the channel, in the same package.
        channel: The name of the channel's class.

    Raises:
        NotAdded: The module has no socket whose table is written in its text, or the table has these topics.

    Example:
        >>> add_channel("from .a import A\\n\\ns = Socket(channels={'a': A})\\n", "b", "b", "B").splitlines()[-1]
        '})'
    """
    table = _table(source)
    _expect_new(table, topic)
    entry = f'"{topic}": {channel},'
    lines = source.splitlines(keepends=True)
    _insert_entry(lines, source, table, entry)
    _insert_import(lines, source, module, channel)
    return "".join(lines)


def _table(source: str) -> ast.Dict:
    """Return the table of the only socket of a module."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise NotAdded(f"the module is no Python: {error}") from error
    tables = list(_tables(tree))
    if len(tables) != 1:
        raise NotAdded(f"expected one Socket(channels=...) in the module, got {len(tables)}")
    table = tables[0]
    if not isinstance(table, ast.Dict) or None in table.keys:
        raise NotAdded("the channels of the socket are not written as {...}")
    return table


def _tables(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name == "Socket":
                yield from (one.value for one in node.keywords if one.arg == "channels")


def _expect_new(table: ast.Dict, topic: str) -> None:
    new = Pattern(topic)
    for key in table.keys:
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise NotAdded("a topic in the table is not written as text")
        if key.value == topic:
            raise NotAdded(f'the table has "{topic}" already')
        if Pattern(key.value).covers(new):
            raise NotAdded(f'"{key.value}" gets all its topics: write it above "{key.value}"')


def _insert_entry(lines: list[str], source: str, table: ast.Dict, entry: str) -> None:
    first, last = table.lineno - 1, _end(table) - 1
    indent = _indent(lines[first])
    if table.values and first < last and _end(table.values[-1]) - 1 < last:
        inner = _indent(lines[table.values[-1].lineno - 1])
        _end_with_comma(lines, table.values[-1])
        lines.insert(last, f"{inner}{entry}\n")
        return
    written = [
        f"{ast.get_source_segment(source, key)}: {ast.get_source_segment(source, value)},"
        for key, value in zip(table.keys, table.values, strict=True)
        if key is not None
    ]
    inside = "".join(f"{indent}    {one}\n" for one in [*written, entry])
    before = lines[first].encode()[: table.col_offset].decode()
    after = lines[last].encode()[table.end_col_offset :].decode()
    lines[first : last + 1] = [*f"{before}{{\n{inside}{indent}}}{after}".splitlines(keepends=True)]


def _end_with_comma(lines: list[str], value: ast.expr) -> None:
    """Put a comma behind the last value of a table, unless there is one."""
    number = _end(value) - 1
    line = lines[number].encode()
    head, tail = line[: value.end_col_offset], line[value.end_col_offset :]
    if not tail.lstrip().startswith(b","):
        lines[number] = (head + b"," + tail).decode()


def _insert_import(lines: list[str], source: str, module: str, name: str) -> None:
    """Put the import among the relative ones, in their order. It stands above the table, whose lines don't matter."""
    new = f"from .{module} import {name}\n"
    imports = [
        one for one in ast.parse(source).body if isinstance(one, ast.Import | ast.ImportFrom)
    ]
    relative = [one for one in imports if isinstance(one, ast.ImportFrom) and one.level == 1]
    if any(one.module == module and name in _names(one) for one in relative):
        return
    later = next((one for one in relative if (one.module or "") > module), None)
    if later is not None:
        lines.insert(later.lineno - 1, new)
    elif relative:
        lines.insert(_end(relative[-1]), new)
    elif imports:
        lines.insert(_end(imports[-1]), f"\n{new}")
    else:
        raise NotAdded("the module has no imports")


def _names(statement: ast.ImportFrom) -> set[str]:
    return {alias.asname or alias.name for alias in statement.names}


def _end(node: ast.stmt | ast.expr) -> int:
    """Return the number of the last line of a node, from 1."""
    return node.end_lineno or node.lineno


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
