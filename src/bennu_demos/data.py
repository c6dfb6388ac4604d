"""Where the demos keep their data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["DATA_VARIABLE", "data_folder"]

DATA_VARIABLE: Final = "BENNU_DEMO_DATA"
"""The environment variable with the folder for the data of all demos. Default: ``~/.local/share/bennu``."""


def data_folder(demo: str) -> Path:
    """Return the folder for the data of a demo, and create it.

    Args:
        demo: The name of the demo.
    """
    home = os.environ.get(DATA_VARIABLE) or Path.home() / ".local" / "share" / "bennu"
    folder = Path(home) / demo
    folder.mkdir(parents=True, exist_ok=True)
    return folder
