"""Each behaviour that Phoenix's test suites assert is tested here, deferred, or impossible."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import pytest

from tests.support.conformance import (
    MARKDOWN,
    TOML,
    CheckList,
    Test,
    find_marks,
    read_marks,
    render,
)

# The number of behaviours of each of Phoenix's suites, as numbered in the check-list.
SIZES: Final = {
    "SK": 43, "CS": 47, "CT": 15, "WS": 57, "OR": 31, "LP": 37, "PR": 24, "TR": 77, "PS": 26,
    "TK": 36, "LG": 14, "JS": 72, "GE": 16, "AD": 15, "OB": 23,
}  # fmt: skip

GROUPS: Final = '[groups]\nAA = "Apples"\nBB = "Pears"\n[works]\nguards = "The rest"\n'


@pytest.fixture(scope="module")
def checklist() -> CheckList:
    return CheckList.load(TOML.read_text("utf-8"))


@pytest.fixture(scope="module")
def marks() -> dict[str, list[Test]]:
    return find_marks()


def test_the_list_is_whole(checklist: CheckList) -> None:
    """No entry is missing: each group counts from 001 to its number of entries, and the groups are in order."""
    expected = [f"{group}{n:03}" for group, size in SIZES.items() for n in range(1, size + 1)]
    assert list(checklist.behaviours) == expected
    assert list(checklist.groups) == list(SIZES)


def test_what_tests_assert_is_on_the_list(
    checklist: CheckList, marks: dict[str, list[Test]]
) -> None:
    assert "\n".join(checklist.unknown(marks)) == ""


def test_what_is_set_aside_is_not_tested(
    checklist: CheckList, marks: dict[str, list[Test]]
) -> None:
    """An entry that is deferred or impossible has no test."""
    assert "\n".join(checklist.contradicted(marks)) == ""


def test_everything_else_is_tested(checklist: CheckList, marks: dict[str, list[Test]]) -> None:
    assert "\n".join(checklist.missing(marks)) == ""


def test_the_document_is_up_to_date(checklist: CheckList, marks: dict[str, list[Test]]) -> None:
    """The page is up to date. Run scripts/conformance to update it."""
    assert MARKDOWN.read_text("utf-8") == render(checklist, marks)


# The tool itself.


def read(source: str) -> dict[str, list[str]]:
    """Return the names of the tests of each id in a source text."""
    pairs = sorted(read_marks(f"import pytest\n{source}", "tests/test_a.py"))
    return {
        key: [test.name for _, test in group] for key, group in groupby(pairs, key=lambda p: p[0])
    }


def test_marks_of_functions_are_read() -> None:
    source = """
@pytest.mark.conformance("AA001", "AA002")
def test_one() -> None: ...

@pytest.mark.parametrize("a", [1])
@pytest.mark.conformance("AA002")
async def test_two(a: int) -> None: ...
"""
    assert read(source) == {"AA001": ["test_one"], "AA002": ["test_one", "test_two"]}


def test_marks_of_classes_and_of_their_methods_are_read() -> None:
    source = """
@pytest.mark.conformance("AA001")
class TestAll:
    pytestmark = [pytest.mark.slow, pytest.mark.conformance("AA002")]

    @pytest.mark.conformance("AA003")
    def test_one(self) -> None: ...
"""
    assert read(source) == {
        "AA001": ["TestAll"],
        "AA002": ["TestAll"],
        "AA003": ["TestAll::test_one"],
    }


def test_the_mark_of_a_module_is_read() -> None:
    assert read('pytestmark = pytest.mark.conformance("AA001")') == {"AA001": [""]}


def test_marks_of_parameters_are_read() -> None:
    """Marks of parameters are read too, also if their list is a variable."""
    source = """
CASES: list[object] = [pytest.param(1, marks=[pytest.mark.conformance("AA001")])]

@pytest.mark.parametrize("a", CASES)
@pytest.mark.parametrize("b", [pytest.param(2, marks=pytest.mark.conformance("AA002"))])
def test_one(a: int, b: int) -> None: ...
"""
    assert read(source) == {"AA001": ["test_one"], "AA002": ["test_one"]}


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('mark = pytest.mark.conformance("AA001")', "a.py:2: .* belongs to no test"),
        ('@pytest.mark.conformance("AA001")\ndef helper(): ...', "a.py:2: .* belongs to no test"),
        ('@pytest.mark.conformance("AA1")\ndef test_a(): ...', "a.py:2: expected ids"),
        ("@pytest.mark.conformance(ONE)\ndef test_a(): ...", "a.py:2: expected ids"),
        ("@pytest.mark.conformance()\ndef test_a(): ...", "a.py:2: expected ids"),
    ],
)
def test_a_mark_that_cannot_be_read_is_a_mistake(source: str, complaint: str) -> None:
    """A mark that can't be read is an error: else its behaviour would count as untested."""
    with pytest.raises(ValueError, match=complaint):
        read(source)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ('[CC001]\nbehaviour = "x"', "no id"),
        ('[AA1]\nbehaviour = "x"', "no id"),
        ('[AA001]\nlater = "guards"', "says nothing"),
        ('[AA001]\nbehaviour = "x"\nnot_applicable = " "', "says nothing"),
        ('[AA001]\nbehaviour = "x"\nlater = "never"', "later is one of"),
        ('[AA001]\nbehaviour = "x"\nlatre = "guards"', "unknown key 'latre'"),
        ('[AA001]\nbehaviour = "x"\nlater = "guards"\nnot_applicable = "y"', "only one of"),
    ],
)
def test_an_entry_that_makes_no_sense_is_a_mistake(entry: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        CheckList.load(GROUPS + entry)


def test_what_does_not_add_up_is_named() -> None:
    checklist = CheckList.load(
        f'{GROUPS}[AA001]\nbehaviour = "falls"\n[AA002]\nbehaviour = "rolls"\nlater = "guards"\n'
        '[BB001]\nbehaviour = "hangs"\nnot_applicable = "no trees"'
    )
    test = Test("tests/test_a.py", "test_one")
    marks = {"AA002": [test], "BB001": [test], "BB002": [test]}
    named = "tests/test_a.py::test_one"
    assert checklist.missing(marks) == ["AA001: falls"]
    assert checklist.unknown(marks) == [f"BB002: {named}"]
    assert checklist.contradicted(marks) == [
        f"AA002: guards, but {named}",
        f"BB001: not applicable, but {named}",
    ]


def test_the_document_shows_what_became_of_each_behaviour() -> None:
    checklist = CheckList.load(
        f'{GROUPS}[AA001]\nbehaviour = "falls | rolls"\ndiffers = "it bounces"\nrest = "the worm"\n'
        '[AA002]\nbehaviour = "rots"\nlater = "guards"\n[AA003]\nbehaviour = "grows"\n'
        '[BB001]\nbehaviour = "hangs"\nnot_applicable = "no trees"'
    )
    document = render(checklist, {"AA001": [Test("tests/a/test_a.py", "test_one")]})
    lines = document.splitlines()
    assert "| [AA](#aa-apples) | Apples | 3 | 1 | 1 | 0 | 1 |" in lines
    assert "| | all | 4 | 1 | 1 | 1 | 1 |" in lines
    assert "- **guards**: The rest" in lines
    assert (
        r"| AA001 | falls \| rolls | [a/test_a.py::test_one](../tests/a/test_a.py)"
        "<br>*differs:* it bounces<br>*still to come:* the worm |"
    ) in lines
    assert "| AA002 | rots | *later: guards* |" in lines
    assert "| AA003 | grows | **missing** |" in lines
    assert "| BB001 | hangs | *not applicable:* no trees |" in lines
