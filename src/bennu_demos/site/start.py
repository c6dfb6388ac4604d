"""What the first start makes: the tables, an administrator with a new password, and a few articles."""

from __future__ import annotations

import secrets
import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone

from .models import Article, Section

__all__ = ["prepare"]

SECTIONS = ("City", "Culture", "Science", "World")
ARTICLES = (
    (
        "World",
        "Ferries on the lake are electric",
        "The last diesel ferry made its last crossing on Sunday.",
    ),
    (
        "City",
        "The old tram depot becomes a market hall",
        "Sixty stalls move in. The rails in the floor stay.",
    ),
    (
        "Science",
        "A heron that winters farther north",
        "Ringed birds stay 300 km closer to their nests.",
    ),
)


def prepare() -> None:
    """Bring the database up to date, and fill a new one. Run this in a thread of its own: it closes the thread's connections."""
    try:
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            _fill()
    finally:
        connections.close_all()


def _fill() -> None:
    users: Any = get_user_model().objects
    if not users.filter(is_superuser=True).exists():
        password = secrets.token_urlsafe(9)
        users.create_superuser("admin", password=password)
        sys.stderr.write(f"The site's administrator is admin, with the password {password}\n")
    if not Section.objects.exists():
        sections = {name: Section.objects.create(name=name) for name in SECTIONS}
        Article.objects.bulk_create(  # sends no signals
            Article(
                section=sections[section],
                title=title,
                summary=summary,
                is_published=True,
                published_at=timezone.now(),
            )
            for section, title, summary in ARTICLES
        )
