"""What clients of ``TOPIC`` get."""

from __future__ import annotations

from bennu import Endpoint, Socket
from bennu.testing.blocking import connect

from my_app.thing import ThingChannel
from my_app.users import User

ANN = User("1", "Ann")
BO = User("2", "Bo")

socket = Socket(
    connect=lambda: ANN,
    channels={"TOPIC": ThingChannel},
)
endpoint = Endpoint(sockets={"/socket": socket})


def test_all_clients_of_the_topic_get_what_one_says() -> None:
    with (
        connect(endpoint, "/socket", assigns=ANN) as ann,
        connect(endpoint, "/socket", assigns=BO) as bo,
    ):
        here = ann.join("EXAMPLE")
        there = bo.join("EXAMPLE")
        here.push("say", {"body": "Hello"}).assert_reply()
        there.assert_push("said", {"author": "Ann", "body": "Hello"})


def test_a_text_is_needed() -> None:
    with connect(endpoint, "/socket", assigns=ANN) as ann:
        here = ann.join("EXAMPLE")
        here.push("say", {"body": ""}).assert_error({"reason": "invalid_payload"})
