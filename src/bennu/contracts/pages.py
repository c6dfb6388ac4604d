"""``Endpoint(contracts=ContractPages())``: the contract as pages for developers, in development only.

=========================  =================================================
``GET /contracts/``        the topics, events, types and reasons
``asyncapi.json``          the AsyncAPI document
``contract.d.ts``          the types for the stock client
``contract.py``            the types for the Python client
=========================  =================================================
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ..errors import DefinitionError
from ..transports.pages import DevelopmentPage
from ..user_code.options import TEXT, options
from .asyncapi import asyncapi
from .html_page import html_page
from .python_module import python_types
from .reading import contract_of
from .typescript import typescript_types

__all__ = ["ContractPages"]

STYLE: Final = Path(__file__).parent / "style.css"
PLAIN: Final = "text/plain; charset=utf-8"


@options(path=TEXT, title=TEXT, release=TEXT)
class ContractPages:
    """The contract of an endpoint as pages. An endpoint serves them only in development (``debug``).

    Args:
        path: The path of the pages, relative to the endpoint's mount. Default: ``"/contracts"``.
        title: The title. Default: the name of the application's package.
        release: The version of the contract. Default: the version of that package.

    Raises:
        DefinitionError: The path does not begin with a slash, or ends with one.

    Example:
        >>> ContractPages("/rt/contracts").path
        '/rt/contracts'
    """

    def __init__(self, path: str = "/contracts", *, title: str = "", release: str = "") -> None:
        if not path.startswith("/") or path.endswith("/"):
            raise DefinitionError(
                "ContractPages(...)",
                expected="a path that begins with / and does not end with one",
                got=repr(path),
                write='ContractPages("/contracts")',
            )
        self.path = path
        self._title = title
        self._release = release

    def page(self, name: str, endpoint: Any) -> DevelopmentPage | None:
        """Return a page; None if there is none of this name.

        Args:
            name: The path of the page below ``path``; ``""`` is the first page.
            endpoint: The endpoint.
        """
        if name == "style.css":
            return DevelopmentPage("text/css; charset=utf-8", STYLE.read_bytes())
        contract = contract_of(endpoint, title=self._title, release=self._release)
        match name:
            case "":
                return DevelopmentPage("text/html; charset=utf-8", html_page(contract).encode())
            case "asyncapi.json":
                body = json.dumps(asyncapi(contract), indent=2).encode()
                return DevelopmentPage("application/json", body)
            case "contract.d.ts":
                return DevelopmentPage(PLAIN, typescript_types(contract).encode())
            case "contract.py":
                return DevelopmentPage(PLAIN, python_types(contract).encode())
            case _:
                return None
