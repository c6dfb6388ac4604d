"""The application ``news`` of the Django project."""

from __future__ import annotations

from django.apps import AppConfig


class NewsConfig(AppConfig):
    """Connects the signals when Django is ready."""

    name = "bennu_demos.site"
    label = "news"
    verbose_name = "News"

    def ready(self) -> None:
        """Import the receivers of signals."""
        from . import signals  # noqa: F401, PLC0415 - the models are ready only now
