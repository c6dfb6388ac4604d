"""A browser, for the tests of the page."""

from tests.demos.conftest import browser, screenshots

__all__ = ["browser", "screenshots"]
