"""The files of the page: which there are, and that the vendored ones are unmodified."""

from __future__ import annotations

import hashlib

import pytest

from bennu.dashboard.files import FOLDER, static_file


@pytest.mark.parametrize("name", ["uPlot.iife.min.js", "uPlot.min.css"])
def test_a_vendored_file_is_what_the_readme_says(name: str) -> None:
    digest = hashlib.sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest()
    assert f"| SHA-256 of `{name}` | `{digest}` |" in (FOLDER / "vendor/README.md").read_text()


@pytest.mark.parametrize("name", ["vendor/README.md", "vendor", "/etc/passwd", "../files.py", "."])
def test_no_other_file_is_served(name: str) -> None:
    assert static_file(name) is None


def test_each_module_that_a_page_imports_is_served() -> None:
    for path in FOLDER.rglob("*.mjs"):
        assert static_file(path.relative_to(FOLDER).as_posix()) is not None


def test_no_page_makes_html_of_text() -> None:
    """What clients have sent becomes text nodes."""
    for path in FOLDER.rglob("*.mjs"):
        text = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, (path.name, word)
