"""The application: Django, behind the endpoint that answers the path of the socket."""

from __future__ import annotations

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

SETTINGS = "my_app.settings"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)

# In production let a proxy or WhiteNoise serve /static, in place of the handler.
pages = ASGIStaticFilesHandler(get_asgi_application())

# Django is loaded now, so channels can import its models.
from .endpoint import endpoint  # noqa: E402

application = endpoint.wrap(pages)
