"""Publishes an article from a shell or a cron job: ``python -m bennu_demos.site wire "A title"``.

This process serves no clients. It saves the article, as the admin does, and the same signal publishes over the bus.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ...models import Article, Section


class Command(BaseCommand):
    """The command."""

    help = "Publish an article."

    def add_arguments(self, parser: Any) -> None:
        """Take the article from the arguments."""
        parser.add_argument("title")
        parser.add_argument("--section", default="World")
        parser.add_argument("--summary", default="From our own wire.")

    def handle(self, *, title: str, section: str, summary: str, **_: Any) -> None:
        """Save the article."""
        found, _made = Section.objects.get_or_create(name=section)
        article = Article(section=found, title=title, summary=summary, is_published=True)
        article.full_clean()
        article.save()
        self.stdout.write(f"published article {article.pk} in {section}")
