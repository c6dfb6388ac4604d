"""python-socketio with its Redis manager. The variable PEER_REDIS has the address of Redis."""

import os
from typing import Any

import socketio

__all__ = ["app"]

manager = socketio.AsyncRedisManager(os.environ["PEER_REDIS"])
server = socketio.AsyncServer(async_mode="asgi", client_manager=manager)
app = socketio.ASGIApp(server)


async def join(sid: str, room: str) -> dict[str, str]:
    """Enter a room."""
    await server.enter_room(sid, room)
    return {"status": "ok"}


async def new_msg(sid: str, room: str, payload: Any) -> None:
    """Send a message to all in the room, on all nodes."""
    await server.emit("new_msg", payload, room=room)


server.on("join", join)
server.on("new_msg", new_msg)
