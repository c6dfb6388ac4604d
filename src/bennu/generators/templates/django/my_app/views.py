"""The pages, and who is signed in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from django.contrib.auth import alogout, login
from django.contrib.auth.forms import UserCreationForm
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render

from .endpoint import endpoint
from .tokens import issue
from .users import User

__all__ = ["page", "session", "sign_up"]

PAGE: Final = Path(__file__).parent / "static" / "index.html"


def page(request: HttpRequest) -> HttpResponse:
    """Show the room."""
    return HttpResponse(PAGE.read_bytes())


async def session(request: HttpRequest) -> HttpResponse:
    """Tell the page who is signed in, with a token for the socket. DELETE signs out."""
    account = await request.auser()
    if not account.is_authenticated:
        return JsonResponse({"error": "not signed in"}, status=401)
    user = User(str(account.pk), account.get_username())
    if request.method == "DELETE":
        await alogout(request)
        await endpoint.disconnect(f"users:{user.id}")
        return HttpResponse(status=204)
    answer = {
        "id": user.id,
        "name": user.name,
        "token": issue(user),
        "csrf": get_token(request),
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account, and sign in."""
    form = UserCreationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.save())
        return redirect("/")
    return render(request, "signup.html", {"form": form})
