"""The links of a document: everyone with the key may write, everyone with the id may read.

The id is a hash of the key. So the server keeps no keys, and an id does not tell its key.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode

__all__ = ["id_of", "new_key"]


def new_key() -> str:
    """Return a key that nobody can guess."""
    return secrets.token_urlsafe(16)


def id_of(key: str) -> str:
    """Return the id of the document that a key opens."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest[:15]).decode()
