"""The secret that signs what clients bring back: tokens and cookies."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["secret_key"]

ENV_FILE = Path(".env")


def secret_key() -> str:
    """Return the variable SECRET_KEY, or else its line in .env of the current folder.

    Raises:
        RuntimeError: There is no secret.
    """
    secret = os.environ.get("SECRET_KEY") or _from_file()
    if not secret:
        raise RuntimeError(
            "SECRET_KEY is not set: write the output of `bennu gen secret` into this"
            " variable, or into the file .env as SECRET_KEY=..."
        )
    return secret


def _from_file() -> str:
    if not ENV_FILE.is_file():
        return ""
    for line in ENV_FILE.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "SECRET_KEY":
            return value.strip()
    return ""
