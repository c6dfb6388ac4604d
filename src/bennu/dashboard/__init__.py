"""The dashboard: a page of the endpoint that shows its nodes, connections, topics and messages. ``docs/dashboard.md``.

It is built on a channel of Bennu and the stock JavaScript client. While no page is open, it has no timer, counts nothing and
asks nobody.
"""

from .options import Dashboard
from .server import DashboardServer

__all__ = ["Dashboard", "DashboardServer"]
