"""The application: the pages, who is signed in, and the endpoint below /rt.

Replace ``sign_in`` by a real one: here everybody can take any name.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from msgspec import ValidationError, convert, structs
from pydantic import BaseModel
from starlette.middleware.sessions import SessionMiddleware

from .endpoint import endpoint
from .names import clean_name
from .secret_key import secret_key
from .tokens import issue
from .users import User

__all__ = ["app"]

STATIC: Final = Path(__file__).parent / "static"

app = FastAPI(
    title="My App",
    lifespan=endpoint.lifespan(),
)
app.add_middleware(
    SessionMiddleware,
    secret_key=secret_key(),
    same_site="lax",
    https_only="HOSTS" in os.environ,  # in production
)


class NewSession(BaseModel):
    """What the page for signing in sends."""

    name: str


class SessionOut(BaseModel):
    """Who is signed in, and a token for the socket."""

    id: str
    name: str
    token: str


def current_user(request: Request) -> User:
    """Return the user of a request, for routes that need one."""
    try:
        return convert(request.session.get("user"), User)
    except ValidationError as error:  # nobody, or a cookie of an older version
        raise HTTPException(401, "not signed in") from error


CurrentUser = Annotated[User, Depends(current_user)]


@app.get("/session")
async def show_session(user: CurrentUser, response: Response) -> SessionOut:
    """Tell the page who is signed in, and give it a token for the socket."""
    response.headers["Cache-Control"] = "no-store"
    return SessionOut(id=user.id, name=user.name, token=issue(user))


@app.post("/session", status_code=204)
async def sign_in(new: NewSession, request: Request) -> None:
    """Sign in with a name. No page of another site can send JSON."""
    if request.headers.get("content-type") != "application/json":
        raise HTTPException(415, "expected JSON")
    name = clean_name(new.name)
    if name is None:
        raise HTTPException(422, "expected a name with 1 to 32 characters")
    request.session["user"] = structs.asdict(User(uuid.uuid4().hex, name))


@app.delete("/session", status_code=204)
async def sign_out(user: CurrentUser, request: Request) -> None:
    """Forget the user, and close all connections of the user."""
    request.session.clear()
    await endpoint.disconnect(f"users:{user.id}")


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """Show the room."""
    return FileResponse(STATIC / "index.html")


@app.get("/login", include_in_schema=False)
async def login_page() -> FileResponse:
    """Show the form for signing in."""
    return FileResponse(STATIC / "login.html")


app.mount("/static", StaticFiles(directory=STATIC))
app.mount("/rt", endpoint)  # clients connect to /rt/socket
