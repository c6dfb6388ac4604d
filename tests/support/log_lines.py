"""Every line that Bennu's code writes to a log, read from the code. As a program it writes the tables of docs/logging.md."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from bennu.logs.log import shape_of

from .sources import modules

__all__ = ["PAGE", "SOURCE", "WHOLE", "Line", "is_line", "lines_of", "page_with", "render"]

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "src/bennu"
PAGE: Final = ROOT / "docs/logging.md"
BEGIN: Final = "<!-- written by python -m tests.support.log_lines -->\n"

METHODS: Final = ("debug", "info", "warning", "error", "exception")
NAMES: Final = ("log", "access", "Log()", "logger")
"""How the code names a log, without underscores and in lower case."""

LOGGERS: Final = {
    "bus": "bennu.bus",
    "store": "bennu.store",
    "publisher": "bennu.publisher",
    "client": "bennu.client",
    "history": "bennu.history",
    "pubsub": "bennu.pubsub",
    "presence": "bennu.presence",
    "api": "bennu.api",
    "dashboard": "bennu.dashboard",
    "exporter": "bennu.metrics",
}
"""The logger of each folder; all other modules write to ``bennu``, or by the name ``access`` to ``bennu.access``."""

WARNINGS: Final = {"history/idempotence.py": "bennu"}
"""Modules that get a method ``warning`` of a log, and call it as ``self._warn``; the logger."""

WHOLE: Final = {
    "cli/server.py": "Bennu … running on … (Press CTRL+C to quit) …",
    "cli/supervised.py": "Bennu … running on … with … workers (Press CTRL+C to quit) …",
    "client/persistent.py": "… (an attempt to connect has failed, and another one follows)",
    "publisher/blocking.py": "… (the end of a publisher, whose last messages are not confirmed)",
}
"""Lines of which the code says nothing but ``%s``, by their module."""

LEVELS: Final = {"exception": "error"}


_WRITES: Final = re.compile(rf"\b(log|{'|'.join(METHODS)}|_warn)\b")
"""Whether a module can write a line, so that it must be parsed."""


class Line(NamedTuple):
    """A line that the code writes.

    Attributes:
        logger: The logger.
        level: The level.
        text: The line with ``…`` for each value.
        module: The module, below ``src/bennu``.
    """

    logger: str
    level: str
    text: str
    module: str


def is_line(call: ast.Call) -> bool:
    """Return whether a call writes a line: ``log.warning(...)``, ``self._access.info(...)``, ``Log().error(...)``."""
    return isinstance(call.func, ast.Attribute) and _is_method(call.func)


@cache
def lines_of(folder: Path) -> list[Line]:
    """Return all lines that the modules of a folder write. Each folder is read once."""
    return sorted({line for name, path in modules(folder) for line in _lines_of(name, path)})


def _lines_of(name: str, path: Path) -> Iterator[Line]:
    if name == "logs/log.py":
        yield Line("bennu", "info", 'Not shown: … more like "…"', name)
        return
    source = path.read_text()
    if not _WRITES.search(source):
        return
    tree = ast.parse(source)
    texts = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign | ast.Assign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and node.value is not None
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for level, owner, text, values in _written(name, node, texts):
                shape = _shape(text, values, texts)
                shape = WHOLE.get(name, shape) if shape == "…" else shape
                yield Line(_logger_of(name, owner), level, shape, name)


def _written(
    name: str, call: ast.Call, texts: dict[str, ast.expr]
) -> Iterator[tuple[str, str, ast.expr, list[ast.expr]]]:
    """Yield the level, the log, the text and the values of each line that a call writes."""
    function, args = call.func, call.args
    if isinstance(function, ast.Attribute):
        if _is_method(function):
            yield _level(function.attr), ast.unparse(function.value), args[0], args[1:]
        elif function.attr == "log" and _is_log(function.value):
            yield (
                ast.unparse(args[0]).split(".")[-1].lower(),
                ast.unparse(function.value),
                args[1],
                [],
            )
        elif function.attr.strip("_") == "warn" and name in WARNINGS:
            yield "warning", ast.unparse(function.value), args[0], args[1:]
    if isinstance(function, ast.Name):  # write = self._log.warning if ... else self._log.info
        for method in ast.walk(texts.get(function.id, ast.Constant(None))):
            if isinstance(method, ast.Attribute) and _is_method(method):
                yield _level(method.attr), ast.unparse(method.value), args[0], args[1:]
    for method, text in pairwise(args):  # call_later(5, self.log.warning, "...")
        if isinstance(method, ast.Attribute) and _is_method(method) and _is_text(text):
            yield _level(method.attr), ast.unparse(method.value), text, []


def _is_method(node: ast.Attribute) -> bool:
    return node.attr in METHODS and _is_log(node.value)


def _is_log(node: ast.expr) -> bool:
    owner = ast.unparse(node)
    last = re.sub(r"\(.*\)$", "()", owner).split(".")[-1].strip("_")
    return last in NAMES or last.lower() in NAMES


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _level(method: str) -> str:
    return LEVELS.get(method, method)


def _logger_of(name: str, owner: str) -> str:
    if owner.rsplit(".", maxsplit=1)[-1].strip("_") == "access":
        return "bennu.access"
    return WARNINGS.get(name) or LOGGERS.get(name.split("/", maxsplit=1)[0], "bennu")


def _shape(text: ast.expr, values: list[ast.expr], texts: dict[str, ast.expr]) -> str:
    """Return the text of a line with ``…`` for each value.

    Raises:
        TypeError: The code does not say what the text is.
    """
    if isinstance(text, ast.Name):
        text = texts[text.id]
    if isinstance(text, ast.Subscript) and isinstance(text.value, ast.Name):  # a table of texts
        comprehension = texts[text.value.id]
        assert isinstance(comprehension, ast.DictComp)
        text = comprehension.value
    if isinstance(text, ast.Constant) and text.value == "%s" and values:
        [value] = values
        if isinstance(value, ast.JoinedStr):
            text = value
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        return shape_of(text.value)
    if isinstance(text, ast.JoinedStr):
        parts = [
            str(part.value) if isinstance(part, ast.Constant) else "%s" for part in text.values
        ]
        return shape_of("".join(parts))
    raise TypeError(f"line {text.lineno}: {ast.unparse(text)}")


# The page.


def render(lines: list[Line]) -> str:
    """Return the tables of the page, one for each logger."""
    found: list[str] = []
    for logger in sorted({line.logger for line in lines}):
        found += [f"### `{logger}`", "", "| level | line | module |", "|---|---|---|"]
        own = [line for line in lines if line.logger == logger]
        for line in sorted(own, key=lambda line: (line.module, line.text)):
            found.append(f"| {line.level} | {_code(line.text)} | `{line.module}` |")
        found.append("")
    return "\n".join(found)


def _code(text: str) -> str:
    escaped = text.replace("|", "\\|")
    return f"`` {escaped} ``" if "`" in text else f"`{escaped}`"


def page_with(page: str, lines: list[Line]) -> str:
    """Return the page with its tables written anew: they are at its end."""
    return page.split(BEGIN, maxsplit=1)[0] + BEGIN + "\n" + render(lines)


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(), lines_of(SOURCE)))
    sys.stdout.write(f"{PAGE.name}: {len(lines_of(SOURCE))} lines\n")
