"""Prometheus metrics: ``Endpoint(metrics="/metrics")``.

Theory of operation
-------------------
Each metric is a family of series, and each series has some words of 8 bytes in one block of memory. :mod:`.families` lists all
families. The labels are known at start-up: paths of sockets, channel classes, topic patterns, events of handlers, and our own
tables of reasons. So the layout of the words (:mod:`.schema`) is a pure function of the endpoint's definition, and nothing that
a client sends can make a new series.

A message is counted by additions to words (:mod:`.tallies`), without an object and without a lock. What is rare is counted by a
handler of telemetry (:mod:`.events`). What can only be looked at (lengths of queues, memory) is written once a second by the
sampler of :mod:`bennu.server.sampler`.

Under ``bennu run --workers`` the block of each worker is a row of a memory that all processes share (:mod:`.board`, :mod:`.rows`).
Any worker can read all rows, and adds them up (:mod:`.totals`). When a worker has ended, however it ended, the supervisor adds its
counters to a row of its own. So nothing is lost by a kill, and no file is left behind.
"""

from .options import Metrics

__all__ = ["Metrics"]
