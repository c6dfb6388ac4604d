"""Django channels with channels_redis. Its consumer speaks the frames of Phoenix that the load generator knows.

The variable PEER_REDIS has the address of Redis, and PEER_LAYER the class of the channel layer.
"""

import json
import os
from typing import Any

import django
from django.conf import settings

settings.configure(
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": os.environ["PEER_LAYER"],
            "CONFIG": {"hosts": [os.environ["PEER_REDIS"]]},
        }
    }
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - after the settings
from channels.routing import ProtocolTypeRouter  # noqa: E402

__all__ = ["app"]


class Room(AsyncWebsocketConsumer):  # type: ignore[misc]  # it is untyped
    """One client: it joins groups, and sends messages to them."""

    async def receive(self, text_data: str, bytes_data: bytes | None = None) -> None:
        """Handle a frame: a join, or a message for a room."""
        join_ref, ref, topic, event, payload = json.loads(text_data)
        group = topic.replace(":", ".")  # a group's name has no colon
        if event == "phx_join":
            await self.channel_layer.group_add(group, self.channel_name)
            answer = {"status": "ok", "response": {}}
            await self.send(json.dumps([join_ref, ref, topic, "phx_reply", answer]))
        else:
            message = {"type": "room.message", "topic": topic, "event": event, "payload": payload}
            await self.channel_layer.group_send(group, message)

    async def room_message(self, message: dict[str, Any]) -> None:
        """Send a message of a group to the client."""
        frame = [None, None, message["topic"], message["event"], message["payload"]]
        await self.send(json.dumps(frame))


app = ProtocolTypeRouter({"websocket": Room.as_asgi()})
