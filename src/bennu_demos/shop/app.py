"""The application: the shop's pages, and the endpoint that they connect to.

bennu run bennu_demos.shop.app:app
bennu run bennu_demos.shop.app:app --workers 4
"""

from __future__ import annotations

from .channels import endpoint
from .web import web

__all__ = ["app", "endpoint"]

# The endpoint answers its own path, and FastAPI answers all others.
app = endpoint.wrap(web)
