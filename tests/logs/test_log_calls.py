"""Only one module writes to a log, so each client's text is printable, and each line is counted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.log_lines import SOURCE, is_line


def modules() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if path.name != "log.py"]


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_other_module_has_a_logger(path: Path) -> None:
    for call in calls(path):
        name = ast.unparse(call.func)
        if name.endswith("getLogger"):
            assert path.name == "access_log.py", "only uvicorn's own loggers are changed there"
        assert name not in ("warnings.warn", "traceback.print_exc")


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_the_text_of_a_line_is_written_in_the_code(path: Path) -> None:
    """The text of a line is a constant. Text with a client's values would be a new kind each time."""
    for call in filter(is_line, calls(path)):
        text = call.args[0]
        is_fixed = isinstance(text, ast.Constant) or ast.unparse(text) == "_EXCEEDED[limit]"
        assert is_fixed, f"{path}:{call.lineno}: {ast.unparse(text)}"


def test_lines_were_found() -> None:
    """The tests above have found calls to check."""
    found = sum(1 for path in modules() for call in calls(path) if is_line(call))
    assert found > 60
