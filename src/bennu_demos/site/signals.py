"""What is published when something is saved: by a view, by the admin, by a command."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save
from django.db.transaction import on_commit
from django.dispatch import receiver

from bennu.auth.django import session_id

from .live import card, disconnect, note, publish, unread, whole
from .models import Article, Notification


@receiver(post_save, sender=Article)
def article_saved(instance: Any, **_: Any) -> None:
    """Show the article on all pages, or remove it; notify those who follow its section, once."""
    if instance.published_at is None:
        return
    # Until the commit other connections do not see the article. `robust`: it is saved, even if the bus is down.
    if not instance.is_published:
        on_commit(partial(_remove, instance.pk), robust=True)
        return
    on_commit(partial(_show, instance), robust=True)
    told = Notification.objects.filter(article=instance).values("user")
    for follower in instance.section.followers.filter(is_active=True).exclude(pk__in=told):
        made = Notification.objects.create(user=follower, article=instance)
        on_commit(partial(_notify, follower.pk, made), robust=True)


@receiver(post_delete, sender=Article)
def article_deleted(instance: Any, **_: Any) -> None:
    """Remove the article from all pages."""
    on_commit(partial(_remove, instance.pk), robust=True)


@receiver(post_delete, sender=Session)
def session_deleted(instance: Any, **_: Any) -> None:
    """End the connections of a session: a logout deletes it."""
    on_commit(partial(disconnect, session_id(instance.session_key)), robust=True)


@receiver(post_save, sender=get_user_model())
def user_saved(instance: Any, created: bool, update_fields: Any, **_: Any) -> None:
    """End the connections of a user who was deactivated, or has a new password. They are checked again."""
    if not created and (update_fields is None or {"is_active", "password"} & set(update_fields)):
        on_commit(partial(disconnect, f"users:{instance.pk}"), robust=True)


def _show(article: Any) -> None:
    publish("news", "article", card(article))
    publish(f"article:{article.pk}", "article", whole(article))


def _remove(article_id: int) -> None:
    publish("news", "removed", {"id": article_id})
    publish(f"article:{article_id}", "removed", {"id": article_id})


def _notify(user_id: int, notification: Any) -> None:
    content = {**note(notification), "unread": unread(user_id)}
    publish(f"user:{user_id}", "notification", content)
