"""The file of ``--env-file``."""

from __future__ import annotations

import pytest

from bennu.cli.env_file import EnvFileError, parse_env

GOOD = {
    "A=1": "1",
    "export A=1": "1",
    " A = 1 ": "1",
    "A=": "",
    "A=# a comment": "",
    "A=a#b # a comment": "a#b",
    "A='a # b' # a comment": "a # b",
    r"A='\n'": r"\n",
    r'A="a\n\t\"\\\$\x"': 'a\n\t"\\$\\x',
    "\ufeffA=1": "1",
    "A=postgres://u:p@h/d?x=1": "postgres://u:p@h/d?x=1",
}


@pytest.mark.parametrize(("text", "value"), GOOD.items(), ids=map(repr, GOOD))
def test_a_variable(text: str, value: str) -> None:
    assert parse_env(f"{text}\n# last\n\n") == {"A": value}


@pytest.mark.parametrize(
    "text", ["A", "1=2", "a-b=c", "A='open", 'A="open\\"', "A='x' y", "A=b\0c"]
)
def test_a_line_that_is_none_is_named(text: str) -> None:
    with pytest.raises(EnvFileError, match="line 2: expected"):
        parse_env(f"B=1\n{text}\n")


def test_the_last_of_one_name_counts() -> None:
    assert parse_env("A=1\nA=2") == {"A": "2"}
