"""A task queue with forked workers: ``python -m tests.publisher.prefork ADDRESS TASKS``.

It has the shape of Celery's prefork pool: a publisher at the top of a module, a parent that uses it too, and workers that
are replaced after some tasks. Each task publishes its number.
"""

from __future__ import annotations

import multiprocessing
import os
import sys

from bennu import BlockingPublisher

__all__ = ["main"]

publisher: BlockingPublisher


def task(number: int) -> int:
    """Publish a number, and return the number of processes that heard it."""
    heard = publisher.broadcast("room:tasks", "done", {"task": number, "pid": os.getpid()})
    assert heard is not None
    return heard


def main(address: str, tasks: int) -> None:
    """Run all tasks, and print how many processes heard each."""
    global publisher  # noqa: PLW0603 - at the top of a module, as an application has it
    publisher = BlockingPublisher(address)
    task(0)
    context = multiprocessing.get_context("fork")
    with context.Pool(3, maxtasksperchild=4) as pool:
        counts = pool.map(task, range(1, tasks), chunksize=1)
    print(sorted({*counts, task(tasks)}))  # noqa: T201 - for the test


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
