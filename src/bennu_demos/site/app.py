"""The application: Django's pages, and the endpoint that they connect to.

bennu run bennu_demos.site.app:app
bennu run bennu_demos.site.app:app --workers 4
"""

from __future__ import annotations

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from bennu_demos.page import DESIGN, HEADERS, Headers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bennu_demos.site.settings")
django = get_asgi_application()  # sets Django up: models can be imported after it

from .live import endpoint  # noqa: E402

__all__ = ["app", "endpoint"]

site = Starlette(
    routes=[
        Mount("/design", StaticFiles(directory=DESIGN)),
        Mount("/", ASGIStaticFilesHandler(django)),  # on a real site a web server serves /static/
    ],
    middleware=[Middleware(Headers, headers=HEADERS)],
)

# The endpoint answers its own path, and the site answers all others.
app = endpoint.wrap(site)
