"""What is live on the site: the endpoint, its channels, and how the rest of the site publishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from msgspec import Struct

from bennu import (
    BlockingPublisher,
    Channel,
    ConnectInfo,
    Endpoint,
    Rates,
    Refused,
    Socket,
    Threads,
    on,
)
from bennu.auth.django import DjangoSession, user_of

from .models import Article, Notification
from .start import prepare

__all__ = ["card", "disconnect", "endpoint", "note", "publish", "unread", "whole"]

SHOWN = 30
"""The most articles, and the most notifications, that a page gets at once."""


@dataclass(frozen=True)
class Visitor:
    """A reader of the site; the id is None for a reader who is not logged in."""

    id: int | None


class Read(Struct):
    """The notifications that were read: their ids, or all of them."""

    ids: list[int] | None = None


class NewsChannel(Channel[Visitor]):
    """The published articles, for everybody."""

    def after_join(self) -> None:
        """Push the newest articles: the page can have missed some."""
        newest = Article.objects.filter(is_published=True).select_related("section")[:SHOWN]
        self.sync.push("articles", {"articles": [card(article) for article in newest]})


class ArticleChannel(Channel[Visitor]):
    """One article, for those who read it."""

    article_id: int

    def after_join(self) -> None:
        """Push the article: it can have changed since the page was made."""
        found = Article.objects.filter(pk=self.article_id, is_published=True)
        if article := found.select_related("section").first():
            self.sync.push("article", whole(article))
        else:
            self.sync.push("removed", {"id": self.article_id})


class UserChannel(Channel[Visitor]):
    """The notifications of one user, on all tabs and devices."""

    user_id: int

    def join(self) -> None:
        """Let only the user in."""
        if self.assigns.id != self.user_id:
            raise Refused("not yours")

    def after_join(self) -> None:
        """Push the bell's content."""
        newest = Notification.objects.filter(user=self.user_id)[:SHOWN]
        notes = [note(found) for found in newest.select_related("article__section")]
        self.sync.push("notifications", {"notifications": notes, "unread": unread(self.user_id)})

    @on("read")
    def read(self, read: Read) -> dict[str, int]:
        """Mark notifications as read, and tell all tabs of the user."""
        found = Notification.objects.filter(user=self.user_id, is_read=False)
        if read.ids is not None:
            found = found.filter(pk__in=read.ids[:SHOWN])
        found.update(is_read=True)
        left = unread(self.user_id)
        self.sync.broadcast("read", {"ids": read.ids, "unread": left})
        return {"unread": left}


def card(article: Any) -> dict[str, Any]:
    """Return what the list of articles shows of an article."""
    return {
        "id": article.pk,
        "section": article.section.name,
        "title": article.title,
        "summary": article.summary,
        "published_at": article.published_at.isoformat(),
    }


def whole(article: Any) -> dict[str, Any]:
    """Return what the page of an article shows."""
    return {**card(article), "body": article.body}


def note(notification: Any) -> dict[str, Any]:
    """Return what the bell shows of a notification."""
    article = notification.article
    return {
        "id": notification.pk,
        "article": article.pk,
        "section": article.section.name,
        "title": article.title,
        "is_read": notification.is_read,
    }


def unread(user_id: int) -> int:
    """Return how many notifications a user has not read."""
    return int(Notification.objects.filter(user=user_id, is_read=False).count())


async def connect(info: ConnectInfo) -> Visitor:
    """Accept everybody. Django's session tells who it is."""
    user = await user_of(info)
    return Visitor(None if user is None else user.pk)


@contextmanager
def fresh_connections() -> Iterator[None]:
    """Close stale connections to the database around each call in a thread, as Django does around a request."""
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


@asynccontextmanager
async def open_site() -> AsyncGenerator[None]:
    """Prepare the database before the first request."""
    await asyncio.to_thread(prepare)
    yield


endpoint = Endpoint(
    sockets={
        "/socket": Socket(
            connect=connect,
            session=DjangoSession(),
            id=lambda visitor: None if visitor.id is None else f"users:{visitor.id}",
            channels={
                "news": NewsChannel,
                "article:{article_id}": ArticleChannel,
                "user:{user_id}": UserChannel,
            },
            rates=Rates(messages="20/second, burst 50"),
        )
    },
    pubsub=settings.BUS,
    lifespan=open_site,
    threads=Threads(around=fresh_connections),
)
publisher = BlockingPublisher.of(endpoint)


def publish(topic: str, event: str, payload: dict[str, Any]) -> None:
    """Broadcast from code of Django: in the server, or in another process (a command, a shell, a task)."""
    (endpoint.sync if endpoint.is_started else publisher).broadcast(topic, event, payload)


def disconnect(connections: str) -> None:
    """End the connections with an id, from code of Django in any process."""
    (endpoint.sync if endpoint.is_started else publisher).disconnect(connections)
