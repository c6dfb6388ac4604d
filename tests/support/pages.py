"""The pages of the documentation, and their Python blocks as modules."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

__all__ = ["ROOT", "blocks", "run_blocks", "section", "table"]

ROOT: Final = Path(__file__).parents[2]
_BLOCK: Final = r"^```{}\n(.*?)^```"


def blocks(page: str, language: str = "python") -> list[str]:
    """Return the Python blocks of a page, as a reader would paste them into one module; or those of another language."""
    found = re.compile(_BLOCK.format(language), re.DOTALL | re.MULTILINE)
    return found.findall((ROOT / page).read_text())


def run_blocks(monkeypatch: pytest.MonkeyPatch, name: str, *sources: str) -> dict[str, Any]:
    """Run blocks as one module, in which their annotations are resolved; return its names."""
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    for source in sources:
        exec(compile(source, name, "exec"), module.__dict__)  # noqa: S102 - our own pages
    return module.__dict__


def section(page: str, title: str) -> str:
    """Return the text below a heading of a page, up to the next heading."""
    text = (ROOT / page).read_text()
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(text: str) -> list[list[str]]:
    """Return the rows of the first table in a text, without its head, and each cell without backticks."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]
