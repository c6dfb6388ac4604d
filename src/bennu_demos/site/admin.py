"""The admin: where articles are written and published."""

from __future__ import annotations

from django.contrib import admin

from .models import Article, Section


@admin.register(Section)
class SectionAdmin(admin.ModelAdmin):
    """Sections."""

    fields = ("name",)


@admin.register(Article)
class ArticleAdmin(admin.ModelAdmin):
    """Articles. The list publishes many at once: each is saved, and so each is sent."""

    list_display = ("title", "section", "is_published", "published_at")
    list_editable = ("is_published",)
    list_filter = ("section", "is_published")
    search_fields = ("title", "summary")
