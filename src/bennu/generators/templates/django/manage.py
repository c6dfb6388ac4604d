"""Django's command for this project: ``python manage.py migrate``."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

SETTINGS = "my_app.settings"

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    execute_from_command_line(sys.argv)
