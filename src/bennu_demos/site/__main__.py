"""The commands of the Django project: ``python -m bennu_demos.site wire "A title"``, ``... shell``."""

from __future__ import annotations

import os

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bennu_demos.site.settings")
execute_from_command_line()
