"""The labels of the metrics come from the definition of an endpoint."""

from __future__ import annotations

from typing import Any

from bennu import Channel, Endpoint, RawHandler, RawSocket, Socket, on
from bennu.exporter.labels import EndpointLabels
from bennu.metrics.families import ChannelLabels


class Room(Channel):
    @on("say")
    async def say(self) -> None: ...

    async def handle_in(self, event: str, payload: Any) -> None: ...


class Hall(Channel):
    pass


class Echo(RawHandler):
    async def receive(self, message: str | bytes) -> None: ...


def socket(**channels: type[Channel]) -> Socket[None]:
    patterns = {f"{name}:*": channel for name, channel in channels.items()}
    return Socket(connect=lambda: None, channels=patterns, longpoll=True)


def labels_of(endpoint: Endpoint) -> EndpointLabels:
    return EndpointLabels(
        endpoint.sockets, endpoint.mounts, ["users"], has_bus=False, has_store=True
    )


def test_sockets_channels_and_events() -> None:
    endpoint = Endpoint(
        sockets={
            "/socket": socket(room=Room, hall=Hall),
            "/raw/{name}": RawSocket(connect=lambda: None, handler=Echo),
        }
    )
    found = labels_of(endpoint)
    assert set(found.all.sockets) == {
        ("/socket", "websocket"),
        ("/socket", "longpoll"),
        ("/raw/{name}", "websocket"),
    }
    assert found.all.channels == (
        ChannelLabels("Room", "room:*", ("say", "*")),
        ChannelLabels("Hall", "hall:*", ()),
    )
    assert found.all.presences == ("users",)
    assert (found.all.has_bus, found.all.has_store) == (False, True)


def test_a_topic_has_the_label_of_its_pattern() -> None:
    endpoint = Endpoint(sockets={"/one": socket(room=Room), "/two": socket(hall=Hall)})
    found = labels_of(endpoint)
    assert [found.topic_of(topic) for topic in ("room:1", "hall:1", "lobby")] == [
        "room:*",
        "hall:*",
        None,
    ]


def test_one_class_in_two_sockets_has_one_label() -> None:
    """Two classes of one name have one label too, with the events of both."""

    def other() -> type[Channel]:
        class Room(Channel):
            @on("shout")
            async def shout(self) -> None: ...

        Room.__qualname__ = "Room"
        return Room

    shared = socket(room=Room)
    endpoint = Endpoint(sockets={"/one": shared, "/two": shared, "/three": socket(room=other())})
    found = labels_of(endpoint)
    [channel] = found.all.channels
    assert channel == ChannelLabels("Room", "room:*", ("say", "*", "shout"))
    assert list(found.channels.values()) == [channel, channel]
