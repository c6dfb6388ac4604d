"""A parent and a child of fork that publish to a topic with history: ``python -m tests.publisher.prefork_history BUS STORE``."""

from __future__ import annotations

import multiprocessing
import sys

from bennu import BlockingPublisher, History

__all__ = ["main"]

publisher: BlockingPublisher


def publish(number: int) -> None:
    """Publish a number."""
    publisher.broadcast("room:1", "said", {"n": number})


def main(bus: str, store: str) -> None:
    """Publish 1 and 4 in this process, and 2 and 3 in a child."""
    global publisher  # noqa: PLW0603 - at the top of a module, as an application has it
    publisher = BlockingPublisher(bus, store=store, histories={"room:*": History(size=100)})
    publish(1)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(publish, (2, 3))
    publish(4)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
