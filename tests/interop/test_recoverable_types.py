"""The types of the page's module for recovery, checked by TypeScript."""

from __future__ import annotations

import subprocess

import pytest

from bennu.transports.script import FILES
from tests.support.node import JS, js_modules, node_path

pytestmark = pytest.mark.interop

OPTIONS = (
    *("--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"),
    *("--module", "esnext", "--moduleResolution", "bundler"),
)


def test_types_fit_right_uses_and_refuse_wrong_ones() -> None:
    """With the types of phoenix.js that npm has, and without types of the socket."""
    compiler = js_modules() / "typescript" / "bin" / "tsc"
    files = ("recoverable_types.ts", str(FILES["bennu.d.ts"]))
    command = [str(node_path()), str(compiler), *OPTIONS, *files]
    done = subprocess.run(command, cwd=JS, check=False, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout
