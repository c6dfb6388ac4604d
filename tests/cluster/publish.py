"""A process that serves no clients, like a Celery worker or a cron job: ``python -m tests.cluster.publish TOPIC NAME``.

It finds the bus by the variable BENNU_PUBSUB, publishes to the topic, and disconnects the user of the name.
"""

from __future__ import annotations

import sys

from bennu import BlockingPublisher

from .app import ORDERS, PRICES, Order, PriceChanged

if __name__ == "__main__":
    topic, name = sys.argv[1:]
    with BlockingPublisher(messages=[PriceChanged, Order]) as publisher:
        publisher.broadcast(topic, "said", {"text": "from a task", "by": "celery"})
        publisher.broadcast(topic, "drawn", b"\x00\xff")
        for number in range(100):
            publisher.broadcast(topic, "tick", {"n": number}, confirm=False)
        publisher.confirm()
        publisher.send(PRICES, PriceChanged("ACME", 700))
        publisher.send(ORDERS, Order(1, ["tea"]))
        publisher.disconnect(f"users:{name}")
