"""The key that signs the session's cookie."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["secret_key"]


def secret_key(folder: Path) -> str:
    """Return the key in a folder, and make it at the first start."""
    path = folder / "secret_key"
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text()
