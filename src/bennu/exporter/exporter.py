"""Counts for one endpoint, and answers GET of the path of the metrics."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

from ..errors import DefinitionError
from ..history.logs import Logs
from ..metrics import Metrics
from ..metrics.events import COUNTED, EventCounter
from ..metrics.families import schema_of
from ..metrics.memory import MetricsMemory, Sharing
from ..metrics.schema import MetricKind
from ..metrics.tallies import Tallies
from ..presence import Presence
from ..server.server import Server
from ..socket import SocketBase
from ..transports.routes import relative_path
from .access import Access, AccessCheck
from .labels import EndpointLabels
from .sampler import Sampler

__all__ = ["Exporter"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PLAIN: Final = "text/plain; charset=utf-8"
METHODS: Final = ("GET", "HEAD")


class Exporter:
    """The metrics of one endpoint.

    Args:
        options: The options; None for an endpoint without metrics.
        server: The endpoint's server.
        sockets: The sockets by their mount paths.
        mounts: The transports of each mount path.
        presences: The presences of the endpoint.
        logs: The logs of topics with history; None without history.

    Raises:
        DefinitionError: prometheus-client is not installed.
    """

    def __init__(
        self,
        options: Metrics | None,
        server: Server,
        sockets: Mapping[str, SocketBase[Any]],
        mounts: Mapping[str, Sequence[str]],
        presences: Sequence[Presence],
        logs: Logs | None,
    ) -> None:
        self._path = None if options is None else options.path
        if options is None:
            return
        _expect_package()
        self._server = server
        self._presences = presences
        self._logs = logs
        self._check = AccessCheck(options.tokens)
        self._labels = EndpointLabels(
            sockets,
            mounts,
            [presence.name for presence in presences],
            has_bus=not server.pubsub.is_alone,
            has_store=logs is not None,
        )
        self._schema = schema_of(self._labels.all)
        self._log = server.log.child("metrics")
        self._memory: MetricsMemory | None = None
        self._pid = 0
        self._sampler: Sampler | None = None
        self._detach: Callable[[], None] | None = None

    # Start and stop.

    def start(self) -> None:
        """Begin to count. Counters go on after a stop, but not in a fork."""
        if self._path is None:
            return
        memory = self._memory
        if memory is None or self._pid != os.getpid():
            self._pid = os.getpid()
            memory = self._memory = MetricsMemory(self._schema)
        for family, _, place in self._schema:
            if family.kind is MetricKind.GAUGE or family.kind is MetricKind.OF_WORKER:
                memory.block.numbers[place] = 0.0
        labels, server = self._labels, self._server
        tallies = Tallies(self._schema, memory.block, labels.channels, labels.topic_of)
        server.tallies = server.pubsub.tallies = tallies
        self._detach = server.telemetry.attach(EventCounter(tallies), *COUNTED)
        self._sampler = Sampler(server, tallies, labels.channels, self._presences, self._logs)

    def warn(self, other_workers: Callable[[], str | None]) -> None:
        """Log that the metrics are those of a part of the clients, if they are.

        Args:
            other_workers: Returns the sign that other processes serve the same application; None if there is none.
        """
        if self._path is None or self._memory is None:
            return
        sharing = self._memory.sharing
        if sharing is Sharing.SECOND:
            self._log.warning(
                "Another endpoint of this worker has metrics already: those at %s are of this process only,"
                " and are not added up over the workers",
                self._path,
            )
        elif sharing is Sharing.TOO_LARGE:
            self._log.warning(
                "The metrics have too many series (%d words): those at %s are of this process only, and are"
                " not added up over the workers",
                self._schema.words,
                self._path,
            )
        elif sharing is Sharing.ALONE and (workers := other_workers()) is not None:
            self._log.warning(
                "%s, and each answers %s for itself: serve with `bennu run --workers`, which adds"
                " the metrics up",
                workers,
                self._path,
            )

    def stop(self) -> None:
        """Stop counting. A second call has no effect."""
        if self._path is None or self._sampler is None:
            return
        self._sampler.stop()
        self._sampler = None
        self._server.tallies = self._server.pubsub.tallies = None
        detach, self._detach = self._detach, None
        if detach is not None:
            detach()

    def abandon(self) -> None:
        """Forget the start, because the event loop was closed without a stop, or is the parent process's."""
        if self._path is not None:
            self._sampler = self._detach = None
            self._server.tallies = self._server.pubsub.tallies = None

    # Requests.

    def answers(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request is for the metrics."""
        return (
            self._path is not None
            and scope["type"] == "http"
            and relative_path(scope) == self._path
        )

    async def serve(self, scope: Mapping[str, Any], send: Send) -> None:
        """Answer a request.

        Args:
            scope: The request, with the values of trusted proxies.
            send: The ASGI callable.
        """
        headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
        access = self._check.judge(scope)
        status, kind, body = access.status, PLAIN, access.text.encode()
        if scope["method"] not in METHODS:
            status, body = 405, b"The metrics have only GET and HEAD"
            headers.append((b"allow", ", ".join(METHODS).encode()))
        elif access is Access.ALLOWED:
            status, body, kind = await self._answer(dict(reversed(scope["headers"])))
        else:
            client = scope.get("client")
            self._log.warning(
                "Refused a request to %s from %s: %s",
                scope["path"],
                "an unknown address" if client is None else client[0],
                access.text,
                burst=1,
            )
            if status == 401:
                headers.append((b"www-authenticate", b"Bearer"))
        headers += [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        rest = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": rest})

    async def _answer(self, headers: Mapping[bytes, bytes]) -> tuple[int, bytes, str]:
        """Return the status, the body and the content type of the metrics."""
        accept = headers.get(b"accept", b"").decode("latin-1")
        if self._sampler is not None:
            self._sampler.sample()
        body, kind = await asyncio.to_thread(self._text, accept)
        return 200, body, kind

    def _text(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics of all processes, in a worker thread: it takes some milliseconds."""
        from ..metrics.exposition import exposition_of

        memory = self._memory
        assert memory is not None  # noqa: S101 - the endpoint is started
        return exposition_of(memory.read(), accept)


def _expect_package() -> None:
    """Refuse metrics without prometheus-client.

    Raises:
        DefinitionError: It is not installed.
    """
    try:
        importlib.import_module("prometheus_client")
    except ImportError as error:
        raise DefinitionError(
            "Endpoint(metrics=...)",
            expected="prometheus-client, which writes the metrics",
            got=str(error),
            write="pip install 'bennu[metrics]'",
        ) from error
