"""docs/logging.md names each logger and each line of the code, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..support.log_lines import PAGE, SOURCE, WHOLE, Line, lines_of, page_with, render
from ..support.pages import section, table
from ..support.sources import modules

NAMED = re.compile(r"""\bLog\("(bennu[\w.]*)"|\blog\.child\("(\w+)"\)""")

CODE = """
TEXT: Final = "CONNECTED %s"
_TABLE = {limit: f"Over {limit.meaning}: %s%s" for limit in Limit}


def handle(self):
    self._access.log(logging.INFO, TEXT, values, TEXT, 5)
    self.log.warning(_TABLE[limit], 1, 2)
    write = self._log.warning if is_down else self._log.info
    write("NODE %s", node)
    loop.call_later(5, self.log.error, "slow for %g s", 5)
    Log().exception("%s", f"Worker {number} ended")
    LOG.debug("100 %% of %s", it)
    self.list.debug("no line")
    self._logs.spawn("no line")
"""


def test_the_page_has_each_line_of_the_code() -> None:
    """If this fails, write the tables anew: python -m tests.support.log_lines."""
    page = PAGE.read_text()
    assert page == page_with(page, lines_of(SOURCE))


def test_the_page_says_what_each_logger_is_for() -> None:
    loggers = {row[0].strip("`") for row in table(section("docs/logging.md", "The loggers"))}
    assert loggers == {line.logger for line in lines_of(SOURCE)}


def test_each_logger_of_the_code_is_known() -> None:
    """``Log("bennu.bus")`` and ``log.child("access")``."""
    names = {"bennu"}
    for _, path in modules(SOURCE):
        if path.name != "log.py":
            found = NAMED.findall(path.read_text())
            names |= {whole or f"bennu.{child}" for whole, child in found}
    assert names == {line.logger for line in lines_of(SOURCE)}


def test_lines_are_found_in_each_spelling(tmp_path: Path) -> None:
    (tmp_path / "bus").mkdir()
    (tmp_path / "bus/a.py").write_text(CODE)
    assert lines_of(tmp_path) == sorted(
        [
            Line("bennu.access", "info", "CONNECTED …", "bus/a.py"),
            Line("bennu.bus", "warning", "Over …: …", "bus/a.py"),
            Line("bennu.bus", "warning", "NODE …", "bus/a.py"),
            Line("bennu.bus", "info", "NODE …", "bus/a.py"),
            Line("bennu.bus", "error", "slow for … s", "bus/a.py"),
            Line("bennu.bus", "error", "Worker … ended", "bus/a.py"),
            Line("bennu.bus", "debug", "100 % of …", "bus/a.py"),
        ]
    )


def test_a_line_whose_text_is_not_in_the_code_is_no_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("log.info(make_text())")
    with pytest.raises(TypeError, match=r"line 1: make_text\(\)"):
        lines_of(tmp_path)


def test_the_lines_that_are_one_value_are_described() -> None:
    found = lines_of(SOURCE)
    assert not [line for line in found if line.text == "…"]
    assert {line.module for line in found if line.text in WHOLE.values()} == WHOLE.keys()


def test_a_table_quotes_any_text() -> None:
    lines = [Line("bennu", "info", "write `a | b`", "a.py"), Line("bennu", "info", "x", "b.py")]
    rows = render(lines).splitlines()
    assert rows[0] == "### `bennu`"
    assert rows[4:6] == [r"| info | `` write `a \| b` `` | `a.py` |", "| info | `x` | `b.py` |"]
