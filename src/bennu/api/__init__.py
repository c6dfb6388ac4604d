"""The HTTP API: publish, disconnect and ask over HTTP, for services that are not written in Python."""

from .api import Api
from .http import APIServer

__all__ = ["APIServer", "Api"]
