"""The endpoint under load, in rooms with and without history. The variable BENNU_STORE has the store."""

from bennu import Endpoint, Socket

from .endpoint import KeptRoomChannel, RoomChannel, connect

__all__ = ["endpoint"]

endpoint = Endpoint(
    sockets={
        "/socket": Socket(
            connect=connect, channels={"room:*": RoomChannel, "kept:*": KeptRoomChannel}
        ),
    }
)
