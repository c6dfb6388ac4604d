"""The application: the pages, who is signed in, and the endpoint.

Replace ``sign_in`` by a real one: here everybody can take any name.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct, ValidationError, convert, json, structs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .endpoint import endpoint
from .names import clean_name
from .secret_key import secret_key
from .tokens import issue
from .users import User

__all__ = ["app"]

STATIC: Final = Path(__file__).parent / "static"


class NewSession(Struct):
    """What the page for signing in sends."""

    name: str


async def page(request: Request) -> FileResponse:
    """Show the room."""
    return FileResponse(STATIC / "index.html")


async def login_page(request: Request) -> FileResponse:
    """Show the form for signing in."""
    return FileResponse(STATIC / "login.html")


async def show_session(request: Request) -> Response:
    """Tell the page who is signed in, and give it a token for the socket."""
    user = signed_in(request)
    if user is None:
        return JSONResponse({"error": "not signed in"}, 401)
    shown = {"id": user.id, "name": user.name, "token": issue(user)}
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})


async def sign_in(request: Request) -> Response:
    """Sign in with a name. No page of another site can send JSON."""
    if request.headers.get("content-type") != "application/json":
        return JSONResponse({"error": "expected JSON"}, 415)
    try:
        new = json.decode(await request.body(), type=NewSession)
    except DecodeError:
        return JSONResponse({"error": "expected a name"}, 422)
    name = clean_name(new.name)
    if name is None:
        return JSONResponse({"error": "expected a name with 1 to 32 characters"}, 422)
    user = User(uuid.uuid4().hex, name)
    request.session["user"] = structs.asdict(user)
    return Response(status_code=204)


async def sign_out(request: Request) -> Response:
    """Forget the user, and close all connections of the user."""
    user = signed_in(request)
    request.session.clear()
    if user is not None:
        await endpoint.disconnect(f"users:{user.id}")
    return Response(status_code=204)


def signed_in(request: Request) -> User | None:
    """Return the user of a request; None if nobody is signed in."""
    try:
        return convert(request.session.get("user"), User)
    except ValidationError:  # nobody, or a cookie of an older version
        return None


pages = Starlette(
    routes=[
        Route("/", page),
        Route("/login", login_page),
        Route("/session", show_session, methods=["GET"]),
        Route("/session", sign_in, methods=["POST"]),
        Route("/session", sign_out, methods=["DELETE"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ],
    middleware=[
        Middleware(
            SessionMiddleware,
            secret_key=secret_key(),
            same_site="lax",
            https_only="HOSTS" in os.environ,  # in production
        )
    ],
)

# The endpoint answers the path of its socket, and the pages answer all others.
app = endpoint.wrap(pages)
