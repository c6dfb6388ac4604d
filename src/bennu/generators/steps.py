"""What is left to do after ``bennu gen``: lines that the user writes into files that are the user's own."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ADD_CHANNEL",
    "ADD_PRESENCE",
    "ADD_SOCKET",
    "FIRST_CHANNEL",
    "MOUNT_IN_FASTAPI",
    "NOT_ADDED",
    "NO_SOCKET",
    "READ_USER",
    "SERVE_ALONE",
    "SHOW_USER",
    "TRACK_USERS",
    "WRAP_DJANGO",
]

# In each text {module} is the package of the parts.

ADD_CHANNEL: Final = """\
Add the channel to the channels of your socket:
    from {module}.{name} import {channel}
    "{topic}": {channel},"""

NOT_ADDED: Final = "{path} stays as it is: {reason}."

NO_SOCKET: Final = "You have no socket yet: bennu gen socket writes one."

ADD_SOCKET: Final = """\
Add the socket to the sockets of your endpoint:
    from {module}.{name}_socket import {name}_socket
    "/{name}": {name}_socket,"""

FIRST_CHANNEL: Final = """\
Write the first channel:
    bennu gen channel Room "room:{{room_id}}\""""

SHOW_USER: Final = """\
Give the page of a signed-in user a token:
    from {module}.tokens import issue
    from {module}.users import User
    issue(User(id, name))"""

READ_USER: Final = """\
Read the token where a client connects:
    from {module}.tokens import read
    async def authenticate(params: dict[str, str], info: ConnectInfo) -> User:
        return read(info.auth_token)
    Socket(connect=authenticate, auth_token=True, ...)"""

ADD_PRESENCE: Final = """\
Give the presence to your endpoint:
    from {module}.presence import presence
    Endpoint(..., presence=presence)"""

TRACK_USERS: Final = """\
Track users in a channel:
    from {module}.presence import Device, key_of, presence
    async def after_join(self) -> None:
        await presence.track(self, key_of(self.assigns), Device(self.assigns.name))
        await presence.push_state(self)"""

WRAP_DJANGO: Final = """\
Put the endpoint around Django in asgi.py, and serve that with bennu run. Import the endpoint after Django is loaded:
    pages = get_asgi_application()
    from {module}.endpoint import endpoint  # noqa: E402
    application = endpoint.wrap(pages)"""

MOUNT_IN_FASTAPI: Final = """\
Mount the endpoint in {path}. Clients connect to /rt/socket:
    from {module}.endpoint import endpoint
    app = FastAPI(lifespan=endpoint.lifespan())  # or endpoint.lifespan(your_own)
    app.mount("/rt", endpoint)"""

SERVE_ALONE: Final = """\
Serve the endpoint by itself, or put it around another ASGI application by endpoint.wrap(app):
    bennu run {module}.endpoint:endpoint"""
