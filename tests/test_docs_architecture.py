"""docs/architecture.md: each module and name that it tells of exists, and it keeps its own measures."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src/bennu"
PAGE: Final = (ROOT / "docs/architecture.md").read_text()

MOST_WORDS: Final = 25
"""Words of the glossary."""
MOST_STEPS: Final = 12
"""Steps of a walk."""
MOST_FILES: Final = 3
"""Files that answer a question."""

MODULE: Final = re.compile(r"`([a-z_0-9/]+\.py)`")
NAMED: Final = re.compile(r"`(\w+(?:\.\w+)?)` \(`([a-z_0-9/]+\.py)`")


def section(title: str) -> str:
    """Return the text below a heading."""
    return PAGE.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]


def found(path: str) -> list[Path]:
    """Return the files that a path on the page can mean: some are given by their name, in a section on their room."""
    names = [SOURCE / path, ROOT / path, *SOURCE.rglob(f"*/{path}"), *ROOT.glob(f"tests/**/{path}")]
    return [name for name in names if name.is_file()]


def names_of(path: Path) -> set[str]:
    """Return the functions, classes and methods of a module."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}.{one.name}" for one in ast.walk(node) if hasattr(one, "name")}
        elif hasattr(node, "name"):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {ast.unparse(target) for target in targets}
    return names


@pytest.mark.parametrize("path", sorted(set(MODULE.findall(PAGE))))
def test_each_module_exists(path: str) -> None:
    assert found(path), f"docs/architecture.md tells of {path}"


@pytest.mark.parametrize(("name", "path"), sorted(set(NAMED.findall(PAGE))))
def test_each_name_is_in_its_module(name: str, path: str) -> None:
    name = name.replace("JSONV2", "_JSONV2") if "." in name else name
    assert any(name in names_of(file) for file in found(path)), f"{name} is not in {path}"


def test_the_glossary_is_short() -> None:
    words = re.findall(r"^\| (\w+) \| [A-Z]", section("The words"), re.MULTILINE)
    assert 12 < len(words) <= MOST_WORDS
    assert len(set(words)) == len(words)


def test_no_walk_has_many_steps() -> None:
    walks = re.findall(r"\n## (Walk \d: .*)\n", PAGE)
    assert len(walks) == 3
    for walk in walks:
        steps = re.findall(r"^(\d+)\. ", section(walk), re.MULTILINE)
        assert 5 < len(steps) <= MOST_STEPS


def test_each_question_is_answered_by_few_files() -> None:
    questions = section("Three questions").split("\n**")[1:]
    assert len(questions) == 3
    for question in questions:
        files = set(MODULE.findall(question))
        assert 0 < len(files) <= MOST_FILES, f"{question.splitlines()[0]}: {sorted(files)}"
