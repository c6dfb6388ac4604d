"""Django, set up once for a process of tests: with the settings of the demo ``site`` and a database of its own.

A process has one configuration of Django, so all tests that need Django import this module first. A test changes a
setting with ``django.test.override_settings``.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from importlib import import_module
from unittest.mock import patch

from django.conf import settings
from django.core.management import call_command

__all__ = ["empty_the_database"]

_data = tempfile.mkdtemp(prefix="bennu-site-")
atexit.register(shutil.rmtree, _data, ignore_errors=True)
with patch.dict(os.environ, {"BENNU_DEMO_DATA": _data}):
    import_module("bennu_demos.site.app")
# Django's own takes half a second for each user.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
call_command("migrate", verbosity=0, interactive=False)


def empty_the_database() -> None:
    """Remove all rows."""
    call_command("flush", verbosity=0, interactive=False)
