"""The dashboard of one endpoint: its page, its socket, and its figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from ..connect_info import ConnectInfo
from ..errors import DefinitionError, Refused
from ..history.logs import Logs
from ..presence import Presence
from ..reasons import Reason
from ..secret_key import Secret
from ..server.request import Denied
from ..server.server import Server
from ..socket import Socket, SocketBase
from ..transports.routes import relative_path
from .channel import DashboardChannel
from .inspector_channel import InspectorChannel
from .lock import DashboardLock
from .names import FIGURES, INSPECTOR
from .node import DashboardNode
from .options import Dashboard
from .site import DashboardSite

__all__ = ["DashboardServer"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class DashboardSocket(Socket[DashboardNode]):
    """The socket of the page. A client needs a pass, which the page gets by ``POST <path>/pass``."""

    is_internal = True

    def __init__(self) -> None:
        super().__init__(
            connect=self._enter,
            channels={FIGURES: DashboardChannel, INSPECTOR: InspectorChannel},
            check_origin="host",
            max_channels=4,  # two, and those that they replace
            max_frame_size=64 * 1024,
            log=False,
        )
        self.lock: DashboardLock | None = None
        self.node: DashboardNode | None = None

    async def _enter(self, params: dict[str, str], info: ConnectInfo) -> DashboardNode:
        lock, node = self.lock, self.node
        until = None if lock is None else lock.socket_until(params.get("token"))
        if until is None or node is None:
            raise Refused(Reason.TOKEN_INVALID.text)
        info.expire_at(until)
        return node


class DashboardServer:
    """The dashboard of one endpoint.

    Args:
        options: The options; None for an endpoint without a dashboard.
        debug: Whether this is development.

    Attributes:
        sockets: The socket of the page, by its mount path; empty without a dashboard.

    Raises:
        DefinitionError: The dashboard has no lock in production.
    """

    def __init__(self, options: Dashboard | None, *, debug: bool) -> None:
        self._options = options
        self.sockets: Mapping[str, SocketBase[Any]] = {}
        self._site: DashboardSite | None = None
        self._node: DashboardNode | None = None
        if options is None:
            return
        options.expect_lock(debug=debug)
        self._socket = DashboardSocket()
        self.sockets = {f"{options.path}/socket": self._socket}

    def beside(self, sockets: Mapping[str, SocketBase[Any]]) -> dict[str, SocketBase[Any]]:
        """Return the user's sockets and that of the page.

        Raises:
            DefinitionError: A user's socket has the path of the page's.
        """
        for path in self.sockets:
            if path in sockets:
                raise DefinitionError(
                    f'Endpoint(sockets={{"{path}": ...}})',
                    expected="a path of its own for each socket",
                    got="the path of the dashboard's",
                    write='dashboard=Dashboard("/status")',
                )
        return {**sockets, **self.sockets}

    def bind(
        self,
        server: Server,
        presences: Sequence[Presence],
        logs: Logs | None,
        secret: Secret | None,
    ) -> None:
        """Make the parts that need the endpoint's server.

        Args:
            server: The endpoint's server.
            presences: The presences of the endpoint.
            logs: The logs of topics with history; None without history.
            secret: The endpoint's secret; None if it has none.
        """
        options = self._options
        if options is None:
            return
        log = server.log.child("dashboard")
        lock = self._socket.lock = DashboardLock(options, secret, log)
        self._site = DashboardSite(options.path, lock, server.telemetry, log)
        self._node = DashboardNode(server, presences, logs, options.topics)
        self._socket.node = self._node

    # Start and stop.

    def start(self) -> None:
        """Answer other nodes from now on."""
        if self._node is not None:
            self._node.start()

    def stop(self) -> None:
        """End the samples."""
        if self._node is not None:
            self._node.stop()

    def abandon(self) -> None:
        """Forget all pages, because the event loop was closed without a stop, or is the parent process's."""
        if self._node is not None:
            self._node.abandon()

    # Requests.

    def answers(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request is for the page, its files, or its session."""
        options = self._options
        if options is None or scope["type"] != "http":
            return False
        path = relative_path(scope)
        is_below = f"{path}/".startswith(f"{options.path}/")
        return is_below and not path.startswith(f"{options.path}/socket/")

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        *,
        denied: Denied | None,
    ) -> None:
        """Answer a request; see :meth:`DashboardSite.serve`."""
        site = self._site
        assert site is not None  # noqa: S101 - `answers` has said so
        await site.serve(scope, receive, send, denied=denied)
