"""A scenario of phoenix.js: run in Node, against a server, with one version of the client."""

from __future__ import annotations

from typing import Any

from tests.interop.program import RunScript, Server

__all__ = ["Scenario", "error", "ok"]


class Scenario:
    """Runs scenarios of tests/interop/js.

    Args:
        run_js: Starts a script.
        server: The server of the clients.
        package: The npm package of the client.
    """

    def __init__(self, run_js: RunScript, server: Server, package: str) -> None:
        self._run_js = run_js
        self._server = server
        self.package = package

    def __call__(self, name: str, *arguments: str) -> dict[str, Any]:
        return self._run_js(name, self._server.url, self.package, *arguments).finish()

    @property
    def is_1_7(self) -> bool:
        """Whether this is phoenix.js 1.7, whose callbacks get fewer arguments."""
        return self.package == "phoenix-1.7"


def ok(response: Any = None) -> dict[str, Any]:
    """Return the report of a push with an ok reply."""
    return {"status": "ok", "response": {} if response is None else response}


def error(reason: str) -> dict[str, Any]:
    """Return the report of a push with an error reply."""
    return {"status": "error", "response": {"reason": reason}}
