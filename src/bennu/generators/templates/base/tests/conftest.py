"""What all tests share: a secret of their own, and the event loop of asyncio."""

from __future__ import annotations

import os
import secrets

import pytest

os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"
