"""HTTP requests that follow no redirect, for ``urllib.request``: Bennu has no other HTTP client."""

from __future__ import annotations

import urllib.request
from typing import Any

__all__ = ["NoRedirects"]


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes each redirect an error.

    It could lead to a URL without TLS or into the server's own network, and a key of the request would go there too.
    """

    def redirect_request(self, *args: Any, **more: Any) -> None:
        """Follow no redirect."""
