"""The server of ``bennu run``: uvicorn's server, with another start and another end.

Theory of operation
-------------------
uvicorn's server closes the listener first, and then all connections at once. A client that comes back
is refused then, and a refused stock client moves to long polling for good. So this server ends in another
order, within the grace time:

1. The endpoints are not ready, so that load balancers send new clients elsewhere. This lasts for the drain
   delay. Everything else goes on.
2. The endpoints drain. The listener still accepts, new clients get 503, and clients leave in batches.
3. The listener closes. Requests under way are finished, and the other connections are closed.
4. The lifespan ends, and then the process.

Each step has a share of the grace time. If a step does not end in time, the server logs it, and goes on with the next
step. If the event loop or a thread hangs, a watchdog ends the process, and prints the stack of each thread. The watchdog
needs neither the event loop nor a Python thread. A second signal ends the process at once.

Under ``--reload`` there is no drain, and the times are short, because the developer waits for the restart.

``tests/cli/test_uvicorn.py`` tests the parts of uvicorn that Bennu relies on.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import io
import os
import socket
import sys
import time
from collections.abc import Generator
from types import FrameType
from typing import Any, Final, NoReturn

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from ..logs.log import Log, Printed
from ..server.drain import drain_all
from .allocator import Trimmer, fix_thresholds
from .banner import banner, socket_lines
from .config import Config
from .head_limits import DEFAULT_LIMITS
from .listeners import addresses, limit_clients, limited_tls_handshakes
from .systemd import notify

__all__ = ["UvicornServer", "end_after"]

DRAINING: Final = 0.6
"""The part of the grace time within which all clients must be closed, including the drain delay."""
CLOSING: Final = 0.8
"""The part of the grace time within which requests and connections must have ended."""
STOPPING: Final = 0.9
"""The part of the grace time within which the lifespan must have ended."""

RELOAD_GRACE: Final = 5.0
RELOAD_CLOSING: Final = 0.2
"""CLOSING under ``--reload``: a second for the connected clients."""

COLLECTOR: Final = (10_000, 1, 1_000)
"""Thresholds of the garbage collector.

A connection is some 30 objects that stay. CPython's default of 700 would run the collector at every twentieth connect.
The time of a young collection grows with its number of objects. Each survivor is checked once in each young generation,
for any second threshold. So the second threshold is the least: the longest pause while 20,000 clients connect is 11 ms.
The oldest generation holds all connections. A collection of it takes 0.3 s, and objects that Bennu drops form no cycles.
"""


class UvicornServer(uvicorn.Server):
    """uvicorn's server, with a drain before it stops.

    Args:
        config: The configuration of uvicorn.
        grace: The most seconds between the first signal and the end of the process.
        drain_delay: Seconds in which the endpoints are unready, before the drain.
        reloads: Whether another process starts this process again at each change of a file.

    Attributes:
        was_cut_short: Whether a step had not ended when its time was over.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        grace: float = 30.0,
        drain_delay: float = 0.0,
        reloads: bool = False,
    ) -> None:
        super().__init__(config)
        self._reloads = reloads
        self._grace = min(grace, RELOAD_GRACE) if self._reloads else grace
        self._drain_delay = drain_delay
        heads = config.head_limits if isinstance(config, Config) else DEFAULT_LIMITS
        self._handshake_timeout = heads.timeout
        self._told_at: float | None = None
        self._trimmer = Trimmer.for_process()
        self.was_cut_short = False

    # Start.

    async def startup(self, sockets: Any = None) -> None:
        """Start, print the banner, and set the garbage collector for many long-lived objects."""
        loop = asyncio.get_running_loop()
        fix_thresholds()
        if self._trimmer is not None:
            self._trimmer.start(loop)
        try:
            with limited_tls_handshakes(loop, self._handshake_timeout):
                await super().startup(sockets)
        except OSError as error:  # another process has taken the address in the meantime
            Log().error("The server can't listen: %s", error)
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)
        if self.started:
            limit_clients(one.fileno() for server in self.servers for one in server.sockets)
            self.say_started(sockets or [])
        # Objects of the start-up live as long as the process, so the collector does not check them again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTOR)

    def say_started(self, listeners: list[socket.socket]) -> None:
        """Log the banner, and tell systemd."""
        config = self.config
        where = addresses(listeners, config.host, "https" if config.is_ssl else "http")
        lines = socket_lines(config.app, config.root_path)
        Log().info("%s", Printed(banner(where, lines)))
        if not self._reloads:
            notify("READY=1")

    # Signals.

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle signals. A stop by a signal is no failure, so the signal is not raised again."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end at the first signal, and end at the second."""
        if self._is_second(sig):
            self.end_at_once(sig)
        super().handle_exit(sig, frame)
        if not self._reloads:
            notify("STOPPING=1")
        self.begin_to_end()

    def begin_to_end(self) -> None:
        """Begin to end, within the grace time. A second call has no effect."""
        self.should_exit = True
        if self._told_at is None:
            self._told_at = time.monotonic()
            end_after(self._grace)

    def end_at_once(self, sig: int) -> NoReturn:
        """End the process without waiting for anything.

        Args:
            sig: The number of the second signal.
        """
        Log().error("A second signal: the process ends at once")
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):
                stream.flush()
        os._exit(128 + sig)

    def _is_second(self, sig: int) -> bool:
        if self._reloads:
            # Ctrl-C reaches this process, and also the process that watches the files, which passes the signal on.
            return sig in self._captured_signals
        return self._told_at is not None

    # End.

    async def shutdown(self, sockets: Any = None) -> None:
        """Drain the endpoints, close the listener, and end the lifespan; each step within its time."""
        if self._trimmer is not None:
            self._trimmer.stop()
        if not self._reloads:
            time_to_drain = max(0.0, self._left(DRAINING) - self._drain_delay)
            await drain_all(delay=self._drain_delay, timeout=time_to_drain)
        config: Any = self.config  # whose type says int
        config.timeout_graceful_shutdown = self._left(RELOAD_CLOSING if self._reloads else CLOSING)
        try:
            async with asyncio.timeout(self._left(STOPPING)):
                await super().shutdown(sockets)
        except TimeoutError:
            self.was_cut_short = True
            Log().error(
                "The lifespan did not end within the %gs of grace: the process ends without it",
                self._grace,
            )

    def _left(self, share: float) -> float:
        """Return the seconds until a share of the grace time is over."""
        now = time.monotonic()
        told_at = now if self._told_at is None else self._told_at
        return max(0.0, told_at + self._grace * share - now)


def end_after(seconds: float) -> None:
    """End the process after some seconds, even if the event loop hangs, and print the stack of each thread.

    A later call replaces an earlier call.
    """
    with contextlib.suppress(AttributeError, ValueError, io.UnsupportedOperation):  # no real stderr
        faulthandler.dump_traceback_later(seconds, exit=True)
