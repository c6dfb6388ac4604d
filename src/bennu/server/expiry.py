"""What ends a connection from outside: its ids, by which server code can disconnect it, and its time.

Most connections have one id or none, and no time: then there is one subscription or none, and nothing
of what stands below. A connection whose ``connect`` called ``info.expire_at`` or ``info.add_id`` has a
:class:`Lease`: a timer, and a subscription for each id.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from ..connect_info import ConnectInfo
from ..message import SocketId
from ..pubsub import Subscription
from ..reasons import CloseCode
from .server import Server

__all__ = ["Ending", "Lease", "make_ending"]


class Ending(Protocol):
    """What may end a connection, and is let go of when it has ended otherwise."""

    def cancel(self) -> None:
        """Let go."""
        ...


class Leased(Protocol):
    """A connection, as far as this module is concerned."""

    server: Server
    info: ConnectInfo
    id: str | None

    def heard(self, message: Any) -> None:
        """Obey what is said to one of its ids."""
        ...

    def close(self, code: CloseCode, *, reason: str) -> None:
        """Close it from our side."""
        ...


def make_ending(link: Leased) -> Ending | None:
    """Return what may end a new connection: a lease if it needs one, else as little as will do."""
    if link.info.is_bound:
        return Lease(link)
    if link.id is not None:
        return link.server.pubsub.listen(SocketId(link.id), link.heard)
    return None


class Lease:
    """The time of a connection, and all of its ids."""

    __slots__ = ("_link", "_subscriptions", "_timer")

    def __init__(self, link: Leased) -> None:
        self._link = link
        self._subscriptions: list[Subscription] = []
        self._timer: asyncio.TimerHandle | None = None
        self.renew()

    def renew(self) -> None:
        """Go by what the connection's info says now."""
        self._release()
        link, info = self._link, self._link.info
        ids = info.ids if link.id is None else dict.fromkeys((link.id, *info.ids))
        listen = link.server.pubsub.listen
        self._subscriptions = [listen(SocketId(name), link.heard) for name in ids]
        if info.expires_at is not None:
            loop = link.server.loop
            # By the loop's clock from here on: to set the machine's clock back prolongs no token.
            self._start(loop, loop.time() + info.expires_at - time.time())

    def cancel(self) -> None:
        """Let go of everything."""
        self._release()

    def _release(self) -> None:
        for subscription in self._subscriptions:
            subscription.cancel()
        self._subscriptions = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self._timer = loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._link.server.log.info("Closing a connection whose time is over (info.expire_at)")
        self._link.close(CloseCode.TOKEN_EXPIRED, reason="expired")
