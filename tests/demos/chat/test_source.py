"""The source of the chat's page."""

from __future__ import annotations

import re

from bennu.transports.script import FILES
from bennu_demos.page import DESIGN

STATIC = DESIGN.parent / "chat" / "static"


def test_page_has_no_way_to_parse_html() -> None:
    """No module of the page uses a function that could make HTML of a message."""
    parsers = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment"
        r"|DOMParser|setHTML|srcdoc|\beval\b|new Function"
    )
    modules = sorted([*(STATIC / "js").glob("*.js"), *DESIGN.glob("*.js")])
    assert modules
    for module in modules:
        assert not parsers.search(module.read_text()), module.name


def test_page_loads_the_client_that_the_endpoint_serves() -> None:
    """The page has no copy of the client, or of the module for recovery."""
    for module, script in (
        (DESIGN / "connection.js", "phoenix.mjs"),
        (STATIC / "js" / "room.js", "bennu.mjs"),
    ):
        assert f'from "../socket/{script}"' in module.read_text()
        assert script in FILES
        assert not list(STATIC.rglob(f"{script[:5]}*.mjs"))
