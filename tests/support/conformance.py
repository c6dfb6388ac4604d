"""Joins the behaviours that Phoenix's test suites assert with the tests here that assert the same behaviours.

    scripts/conformance     writes docs/conformance.md, and prints what is missing

Theory of operation. ``docs/conformance.toml`` has one entry for each behaviour, by its id: a description, and its
state (deferred, not applicable, different). A test names the ids of its behaviours,
``@pytest.mark.conformance("SK001")``. The marks are read from the source, without importing a test: on functions, on
classes, in a module's ``pytestmark``, and in a ``pytest.param`` of a ``parametrize`` or of a list that it uses. A mark
at any other place is an error, because it would not be read.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeGuard

__all__ = [
    "MARKDOWN",
    "TOML",
    "Behaviour",
    "CheckList",
    "Test",
    "find_marks",
    "read_marks",
    "render",
]

ROOT: Final = Path(__file__).parents[2]
TOML: Final = ROOT / "docs" / "conformance.toml"
MARKDOWN: Final = ROOT / "docs" / "conformance.md"

_ID: Final = re.compile(r"[A-Z]{2}[0-9]{3}")
_SAID: Final = ("later", "not_applicable", "differs", "rest")


@dataclass(frozen=True, order=True)
class Test:
    """A test that asserts a behaviour.

    Attributes:
        path: Of its module, from the root of the repository.
        name: Of the function or class; empty for the whole module.
    """

    __test__ = False  # the class is no test itself

    path: str
    name: str


Marks = Mapping[str, list[Test]]


@dataclass(frozen=True)
class Behaviour:
    """One line of the check-list.

    Attributes:
        id: The id, as ``SK001``.
        text: The description.
        later: The piece of work that will bring the behaviour, if it is deferred.
        not_applicable: The reason why Bennu can't have the behaviour, if it can't.
        differs: How Bennu differs, and the reason.
        rest: The missing part, if tests assert only a part.
    """

    id: str
    text: str
    later: str = ""
    not_applicable: str = ""
    differs: str = ""
    rest: str = ""

    @property
    def group(self) -> str:
        """The two letters of the id."""
        return self.id[:2]

    @property
    def is_set_aside(self) -> bool:
        """Whether no test is expected now."""
        return bool(self.later or self.not_applicable)


@dataclass(frozen=True)
class CheckList:
    """All behaviours.

    Attributes:
        groups: The names of the groups, by their two letters.
        works: The names of later pieces of work.
        behaviours: The behaviours by id, in order.
    """

    groups: dict[str, str]
    works: dict[str, str]
    behaviours: dict[str, Behaviour] = field(default_factory=dict[str, Behaviour])

    @classmethod
    def load(cls, text: str) -> CheckList:
        """Read the TOML file.

        Raises:
            ValueError: Entries are malformed; the message names all of them.
        """
        content: dict[str, dict[str, str]] = tomllib.loads(text)
        checklist = cls(content.pop("groups"), content.pop("works"))
        mistakes: list[str] = []
        for key, entry in content.items():
            said = {name: entry[name] for name in _SAID if name in entry}
            behaviour = Behaviour(key, entry.get("behaviour", ""), **said)
            checklist.behaviours[key] = behaviour
            mistakes += checklist._mistakes(behaviour, entry)
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return checklist

    def _mistakes(self, behaviour: Behaviour, entry: Mapping[str, str]) -> Iterator[str]:
        if not _ID.fullmatch(behaviour.id) or behaviour.group not in self.groups:
            yield f"{behaviour.id}: no id of one of the groups {list(self.groups)}"
        for name in entry.keys() - {"behaviour", *_SAID}:
            yield f"{behaviour.id}: unknown key {name!r}"
        if not all(text.strip() for text in entry.values()) or not behaviour.text:
            yield f"{behaviour.id}: says nothing"
        if behaviour.later and behaviour.later not in self.works:
            yield f"{behaviour.id}: later is one of {list(self.works)}, got {behaviour.later!r}"
        if len(entry.keys() & {"later", "not_applicable", "rest"}) > 1:
            yield f"{behaviour.id}: only one of later, not_applicable and rest can be true"

    def unknown(self, marks: Marks) -> list[str]:
        """Return the ids that tests assert and that are not on the list."""
        return [
            f"{key}: {_names(tests)}" for key, tests in marks.items() if key not in self.behaviours
        ]

    def contradicted(self, marks: Marks) -> list[str]:
        """Return the ids that are set aside, and tested in spite of it."""
        return [
            f"{one.id}: {one.later or 'not applicable'}, but {_names(marks[one.id])}"
            for one in self.behaviours.values()
            if one.is_set_aside and one.id in marks
        ]

    def missing(self, marks: Marks) -> list[str]:
        """Return the ids that a test should assert, and none does."""
        return [
            f"{one.id}: {one.text}"
            for one in self.behaviours.values()
            if not one.is_set_aside and one.id not in marks
        ]


def _names(tests: Iterable[Test]) -> str:
    return ", ".join(f"{test.path}::{test.name}" for test in tests)


# The tests of each id.


def find_marks(root: Path = ROOT) -> dict[str, list[Test]]:
    """Return the tests of each id, from all test modules.

    Raises:
        ValueError: A mark can't be read at its place.
    """
    found: dict[str, set[Test]] = {}
    for path in sorted((root / "tests").rglob("*.py")):
        parts = path.relative_to(root).parts
        if "node_modules" in parts:
            continue
        for key, test in read_marks(path.read_text("utf-8"), "/".join(parts)):
            found.setdefault(key, set()).add(test)
    return {key: sorted(tests) for key, tests in found.items()}


def read_marks(source: str, path: str) -> Iterator[tuple[str, Test]]:
    """Yield each id of a module's tests, and the test.

    Raises:
        ValueError: A mark can't be read at its place, or its ids are no literals.
    """
    if "conformance" not in source:
        return
    module = ast.parse(source)
    lists = {name: value for value, names in _assignments(module) for name in names}
    attributed: set[ast.Call] = set()
    for name, expressions in _carriers(module):
        for expression in [*expressions, *_used(expressions, lists)]:
            for mark in _marks_in(expression):
                attributed.add(mark)
                for key in _ids(mark, path):
                    yield key, Test(path, name)
    for mark in _marks_in(module):
        if mark not in attributed:
            raise ValueError(f"{path}:{mark.lineno}: a conformance mark that belongs to no test")


def _carriers(module: ast.Module) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield each node that can have a mark, and the expressions in which the mark can be."""
    yield "", _pytestmark(module.body)
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield node.name, [*node.decorator_list, *_pytestmark(node.body)]
            for inner in node.body:
                if _is_test(inner):
                    yield f"{node.name}::{inner.name}", inner.decorator_list
        elif _is_test(node):
            yield node.name, node.decorator_list


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return node.name.startswith("test")


def _pytestmark(body: list[ast.stmt]) -> list[ast.expr]:
    return [value for value, names in _assignments(ast.Module(body, [])) if names == ["pytestmark"]]


def _assignments(module: ast.Module) -> Iterator[tuple[ast.expr, list[str]]]:
    for node in module.body:
        if isinstance(node, ast.Assign):
            yield node.value, [one.id for one in node.targets if isinstance(one, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node.value, [node.target.id] if isinstance(node.target, ast.Name) else []


def _used(expressions: list[ast.expr], lists: Mapping[str, ast.expr]) -> list[ast.expr]:
    """Return the lists of parameters that a test's decorators name."""
    return [
        lists[node.id]
        for expression in expressions
        for node in ast.walk(expression)
        if isinstance(node, ast.Name) and node.id in lists
    ]


def _marks_in(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.conformance":
            yield node


def _ids(mark: ast.Call, path: str) -> Iterator[str]:
    if not mark.args or mark.keywords:
        raise ValueError(f"{path}:{mark.lineno}: expected ids, got {ast.unparse(mark)}")
    for argument in mark.args:
        key = argument.value if isinstance(argument, ast.Constant) else None
        if not isinstance(key, str) or not _ID.fullmatch(key):
            raise ValueError(f"{path}:{mark.lineno}: expected ids, got {ast.unparse(mark)}")
        yield key


# The page.

_HEAD: Final = """\
# Conformance

What the test suites of Phoenix 1.8 assert, behaviour by behaviour, and which test here asserts the same.

*Written by `scripts/conformance` from [conformance.toml](conformance.toml) and from the marks
`@pytest.mark.conformance("SK001")` of the tests; edit those. The phrases are those of Phoenix's world:
an actor is a process there, here a task; a trailing `!` names the raising twin of a function.*

A behaviour without a test belongs to a later piece of work, or can't exist here, and then the reason stands
in its place. Where Bennu is kinder than Phoenix or otherwise different, the test asserts what Bennu does,
and the table says so.
"""


def render(checklist: CheckList, marks: Marks) -> str:
    """Return docs/conformance.md."""
    sections = [_HEAD, _summary(checklist, marks)]
    for group, name in checklist.groups.items():
        rows = [
            f"| {one.id} | {_cell(one.text)} | {_outcome(one, marks)} |"
            for one in checklist.behaviours.values()
            if one.group == group
        ]
        head = "| id | behaviour | tests, or why there are none |\n| --- | --- | --- |"
        sections.append("\n".join([f"## {group}: {name}\n", head, *rows, ""]))
    return "\n".join(sections)


def _summary(checklist: CheckList, marks: Marks) -> str:
    lines = [
        "| group | | behaviours | tested | later | not applicable | missing |",
        "| --- | --- | --: | --: | --: | --: | --: |",
    ]
    total = [0] * 5
    for group, name in checklist.groups.items():
        of_group = [one for one in checklist.behaviours.values() if one.group == group]
        counts = _counts(of_group, marks)
        total = [before + now for before, now in zip(total, counts, strict=True)]
        lines.append(f"| [{group}](#{_anchor(group, name)}) | {name} | {_numbers(counts)} |")
    lines.append(f"| | all | {_numbers(total)} |")
    if checklist.works:
        lines += ["", "Later pieces of work:", ""]
        lines += [f"- **{work}**: {what}" for work, what in checklist.works.items()]
    return "\n".join([*lines, ""])


def _counts(behaviours: list[Behaviour], marks: Marks) -> list[int]:
    tested = sum(one.id in marks for one in behaviours)
    later = sum(bool(one.later) for one in behaviours)
    not_applicable = sum(bool(one.not_applicable) for one in behaviours)
    missing = sum(one.id not in marks and not one.is_set_aside for one in behaviours)
    return [len(behaviours), tested, later, not_applicable, missing]


def _numbers(counts: list[int]) -> str:
    return " | ".join(str(count) for count in counts)


def _anchor(group: str, name: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", f"{group}: {name}".lower()).replace(" ", "-")


def _outcome(one: Behaviour, marks: Marks) -> str:
    parts = [_link(test) for test in marks.get(one.id, ())]
    if not parts and not one.is_set_aside:
        parts.append("**missing**")
    if one.differs:
        parts.append(f"*differs:* {_cell(one.differs)}")
    if one.rest:
        parts.append(f"*still to come:* {_cell(one.rest)}")
    if one.later:
        parts.append(f"*later: {one.later}*")
    if one.not_applicable:
        parts.append(f"*not applicable:* {_cell(one.not_applicable)}")
    return "<br>".join(parts)


def _link(test: Test) -> str:
    shown = test.path.removeprefix("tests/") + (f"::{test.name}" if test.name else "")
    return f"[{shown}](../{test.path})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write docs/conformance.md; return 1 if something is wrong or missing."""
    checklist, marks = CheckList.load(TOML.read_text("utf-8")), find_marks()
    MARKDOWN.write_text(render(checklist, marks), "utf-8")
    problems = {
        "on no list": checklist.unknown(marks),
        "set aside, but tested": checklist.contradicted(marks),
        "missing": checklist.missing(marks),
    }
    for what, lines in problems.items():
        if lines:
            sys.stdout.write(f"{what} ({len(lines)}):\n  " + "\n  ".join(lines) + "\n")
    tested = len(marks.keys() & checklist.behaviours.keys())
    sys.stdout.write(f"{tested} of {len(checklist.behaviours)} behaviours are tested\n")
    return int(any(problems.values()))


if __name__ == "__main__":
    sys.exit(main())
