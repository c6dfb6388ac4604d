"""The client phx-events, which a test runs in its own environment.

    python phx_events_client.py <url of the socket> <topic>

It joins the topic, and prints a line of JSON for each event, until its connection ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from phx_events.client import (  # type: ignore[import-not-found] # it is not in the environment that is checked
    PHXChannelsClient,
)
from phx_events.exceptions import (  # type: ignore[import-not-found] # nor is this
    TopicClosedError,
)


def report(step: str, value: Any = None) -> None:
    sys.stdout.write(json.dumps({"step": step, "value": value}) + "\n")
    sys.stdout.flush()


async def main(url: str, topic: str) -> None:
    async def said(message: Any, _client: Any) -> None:
        report(message.payload["text"], {"topic": message.topic, "ref": message.ref})

    def said_in_a_thread(message: Any, _client: Any) -> None:
        report(f"{message.payload['text']}, in a thread")

    async with PHXChannelsClient(url) as client:
        client.register_event_handler("said", [said])
        client.register_event_handler("said", [said_in_a_thread], topic)
        registered = client.register_topic_subscription(topic)

        async def tell_of_the_join() -> None:
            await registered.wait()
            # The client has no public attribute for the reply.
            result = client._topic_registration_status[topic].result
            report("joined", [result.status.name, result.result_message.payload["response"]])

        telling = asyncio.create_task(tell_of_the_join())
        try:
            await client.start_processing()
        except TopicClosedError as error:
            report("ended", error.reason)
        else:
            report("ended", "the connection closed")
        await telling


asyncio.run(main(*sys.argv[1:]))
