"""Virtual environments for programs that a reader of the documentation installs."""

from __future__ import annotations

import os
import site
import venv
from pathlib import Path

__all__ = ["new_environment"]


def new_environment(path: Path) -> dict[str, str]:
    """Make an offline virtual environment with Bennu's dependencies, but without Bennu; return its variables."""
    venv.create(path, with_pip=False)
    [packages] = path.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    pip = path / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{path}/bin/python" -m pip "$@"\n')
    pip.chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PATH": f"{path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # no index
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
