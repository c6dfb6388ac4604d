"""A scenario of phoenix.js: run in Node, against a server, with one version of the client."""

from __future__ import annotations

from typing import Any

from tests.interop.program import RunScript, Server

__all__ = ["Scenario", "error", "ok"]


class Scenario:
    """Runs scenarios of tests/interop/js.

    Args:
        run_js: Starts one.
        server: What it connects to.
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
        """Whether it is the older client, which tells its callbacks less."""
        return self.package == "phoenix-1.7"


def ok(response: Any = None) -> dict[str, Any]:
    """What a push comes to that is answered well."""
    return {"status": "ok", "response": {} if response is None else response}


def error(reason: str) -> dict[str, Any]:
    """What a push comes to that is refused."""
    return {"status": "error", "response": {"reason": reason}}
