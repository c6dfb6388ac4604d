"""Sections, articles, and who is notified of which article."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class Section(models.Model):
    """A part of the site, which readers can follow."""

    name = models.CharField(max_length=40, unique=True)
    followers = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="sections", blank=True
    )

    class Meta:
        """Order."""

        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return str(self.name)


class Article(models.Model):
    """An article. Only a published one is on the site."""

    section = models.ForeignKey(Section, models.PROTECT, related_name="articles")
    title = models.CharField(max_length=120)
    summary = models.CharField(max_length=300)
    body = models.TextField(blank=True)
    is_published = models.BooleanField("published", default=False)
    published_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """Order: the newest first."""

        ordering: ClassVar = ["-published_at", "-pk"]

    def __str__(self) -> str:
        return str(self.title)

    def save(self, *args: Any, **options: Any) -> None:
        """Save the article. The time of its first publication stays."""
        if self.is_published and self.published_at is None:
            self.published_at = timezone.now()
        super().save(*args, **options)


class Notification(models.Model):
    """Tells a user of an article, once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications")
    article = models.ForeignKey(Article, models.CASCADE, related_name="notifications")
    is_read = models.BooleanField(default=False)

    class Meta:
        """Order: the newest first."""

        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("user", "article"), name="one_for_each")
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.article}"
