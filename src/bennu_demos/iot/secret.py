"""The secret that signs the tokens of the devices: the server and the program that makes tokens share it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from bennu.phoenix import token

__all__ = ["SALT", "read_secret", "token_of"]

SALT: Final = "device"
"""What the tokens are for."""


def read_secret(folder: Path) -> str:
    """Return the secret of a folder. The first call makes it; only the user can read the file."""
    path = folder / "secret"
    if not path.exists():
        with NamedTemporaryFile("w", dir=folder) as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            with suppress(FileExistsError):  # another process was faster
                os.link(file.name, path)
    return path.read_text()


def token_of(device: str, secret: str) -> str:
    """Return the token of a device: what a factory would write into it. The server reads the device's id from it."""
    return token.sign(secret, SALT, device)
