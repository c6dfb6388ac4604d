"""The application: Django, behind the endpoint that answers the path of the socket."""

from __future__ import annotations

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from .endpoint import endpoint

__all__ = ["application"]

SETTINGS = "my_app.settings"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)

# In production let a proxy or WhiteNoise serve /static, in place of the handler.
application = endpoint.wrap(ASGIStaticFilesHandler(get_asgi_application()))
