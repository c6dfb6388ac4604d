"""The pages. They are ordinary views of Django: what is live comes on top, by the page's script."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserCreationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from .live import SHOWN, publish, unread
from .models import Article, Notification, Section


def front(request: HttpRequest) -> HttpResponse:
    """Show the newest articles."""
    articles = Article.objects.filter(is_published=True).select_related("section")[:SHOWN]
    return render(request, "news/front.html", {"articles": articles, **_common(request)})


def article(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an article. Its notification is read then, on all tabs of the user."""
    found = get_object_or_404(Article.objects.select_related("section"), pk=pk, is_published=True)
    user: Any = request.user
    seen = Notification.objects.filter(user=user.pk, article=found, is_read=False)
    if ids := list(seen.values_list("pk", flat=True)):
        seen.update(is_read=True)
        publish(f"user:{user.pk}", "read", {"ids": ids, "unread": unread(user.pk)})
    return render(request, "news/article.html", {"article": found, **_common(request)})


@require_POST
@login_required
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    """Follow a section, or follow it no more."""
    section = get_object_or_404(Section, pk=pk)
    user: Any = request.user
    if not section.followers.filter(pk=user.pk).exists():
        section.followers.add(user)
    else:
        section.followers.remove(user)
    return redirect("front")


def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account, and log in."""
    form = UserCreationForm(request.POST or None)
    if form.is_valid():
        login(request, form.save())
        return redirect("front")
    return render(request, "registration/sign_up.html", {"form": form, **_common(request)})


def _common(request: HttpRequest) -> dict[str, Any]:
    """Return what each page shows: the sections, those that the reader follows, and the number at the bell."""
    user: Any = request.user
    followed = set(user.sections.values_list("pk", flat=True)) if user.is_authenticated else set()
    count = unread(user.pk) if user.is_authenticated else 0
    return {
        "sections": Section.objects.all(),
        "followed": followed,
        "unread": "99+" if count > 99 else count,
    }
