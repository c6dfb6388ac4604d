"""What all tests share: a secret, Django with an empty database, and asyncio."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import django
import pytest
from django.db import connection
from django.test.utils import setup_test_environment, teardown_test_environment

SETTINGS = "my_app.settings"

os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
django.setup()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def database() -> Iterator[None]:
    """A database with all tables, in memory."""
    setup_test_environment()
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0)
    yield
    connection.creation.destroy_test_db(name, verbosity=0)
    teardown_test_environment()
