"""The client that the chat's page loads is the published one, unmodified."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.support.node import JS

VENDOR = Path(__file__).parents[2] / "examples" / "chat" / "static" / "vendor"


@pytest.fixture
def readme() -> str:
    return (VENDOR / "README.md").read_text()


def test_vendored_client_is_what_the_readme_says(readme: str) -> None:
    """The file has the hash that stands beside it."""
    digest = hashlib.sha256((VENDOR / "phoenix.mjs").read_bytes()).hexdigest()
    assert f"`{digest}`" in readme


def test_vendored_client_is_the_one_that_the_lock_names(readme: str) -> None:
    """The interop tests and the page use the same version of the same package."""
    lock = json.loads((JS / "package-lock.json").read_text())
    package = lock["packages"]["node_modules/phoenix"]
    assert f"npm `phoenix` {package['version']}," in readme
    assert f"`{package['integrity']}`" in readme


@pytest.mark.parametrize(
    ("vendored", "published"),
    [("phoenix.mjs", "priv/static/phoenix.mjs"), ("LICENSE-phoenix.md", "LICENSE.md")],
)
def test_vendored_client_is_unmodified(vendored: str, published: str) -> None:
    """The file is the package's, byte for byte."""
    original = JS / "node_modules" / "phoenix" / published
    if not original.exists():
        pytest.skip("the npm packages of the interop tests are not installed, run scripts/install")
    assert (VENDOR / vendored).read_bytes() == original.read_bytes()


def test_page_has_no_way_to_parse_html() -> None:
    """No module of the page uses what would turn a message into HTML."""
    parsers = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment"
        r"|DOMParser|setHTML|srcdoc|\beval\b|new Function"
    )
    modules = sorted((VENDOR.parent / "js").glob("*.js"))
    assert modules
    for module in modules:
        assert not parsers.search(module.read_text()), module.name
