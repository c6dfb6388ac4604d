"""Fetches the metrics of an endpoint by HTTP."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from ..errors import DefinitionError
from .scrape import MetricsScrape, NoMetrics

__all__ = ["Scraper"]

TIMEOUT: Final = 5.0
"""Seconds for one answer."""

PATH: Final = "/metrics"
"""The path if the URL has none."""

MOST: Final = 64 * 1024 * 1024
"""Bytes of an answer."""


class Scraper:
    """Fetches the metrics again and again. No proxy of the environment is used: an endpoint without a token refuses its requests.

    Args:
        url: ``http://localhost:4000``, or with the path of the metrics.
        token: The token of ``Metrics(token=...)``; None for an endpoint on this machine without one.

    Attributes:
        url: The URL with its path.

    Raises:
        DefinitionError: The URL can't be used.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in ("http", "https") or not host:
            raise DefinitionError(
                "the URL",
                expected="an http:// or https:// URL",
                got=repr(url),
                write="http://localhost:4000",
            )
        self._path = PATH if parts.path in ("", "/") else parts.path
        self._origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.url = f"{self._origin}{self._path}"
        self._open: Callable[[], HTTPConnection]
        if parts.scheme == "https":
            self._open = lambda: HTTPSConnection(
                host, port, timeout=TIMEOUT, context=ssl.create_default_context()
            )
        else:
            self._open = lambda: HTTPConnection(host, port, timeout=TIMEOUT)
        self._headers = {"Accept": "text/plain"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    async def scrape(self) -> MetricsScrape:
        """Fetch the metrics in a thread, which does not keep the process from ending.

        Raises:
            NoMetrics: There was no answer, or another one.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[MetricsScrape] = loop.create_future()

        def settle(found: MetricsScrape | NoMetrics) -> None:
            if answer.done():  # the command ends
                return
            if isinstance(found, NoMetrics):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def run() -> None:
            found: MetricsScrape | NoMetrics
            try:
                found = self._fetch()
            except NoMetrics as error:
                found = error
            with suppress(RuntimeError):  # the event loop is closed: the command ends
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=run, daemon=True, name="bennu-top").start()
        return await answer

    def _fetch(self) -> MetricsScrape:
        connection = self._open()
        try:
            connection.request("GET", self._path, headers=self._headers)
            response = connection.getresponse()
            body = response.read(MOST)
            at = time.monotonic()
        except ssl.SSLError as error:
            raise NoMetrics(
                f"{self.url} can't be reached by TLS: {error}: is it http:// there?"
            ) from error
        except (OSError, HTTPException) as error:
            text = str(error) or type(error).__name__
            raise NoMetrics(
                f"{self.url} can't be reached: {text}. Is the server up, and is this its port?"
            ) from error
        finally:
            connection.close()
        if response.status != 200:
            raise NoMetrics(self._explain(response.status, response.getheader("Location")))
        return MetricsScrape(body.decode("utf-8", "replace"), at)

    def _explain(self, status: int, location: str | None) -> str:
        """Return what an answer means, and what to do."""
        if status == 404:
            return (
                f"{self.url} is not found (404). The endpoint has no metrics, or has them at another path:"
                f' write Endpoint(metrics="{PATH}"), and then bennu top {self._origin}{PATH}'
            )
        if status == 401:
            return (
                f"{self.url} needs the right token (401): pass that of Endpoint(metrics=Metrics(token=...)) with"
                " --token, or in BENNU_METRICS_TOKEN"
            )
        if status == 403:
            return (
                f"{self.url} refuses other machines and proxies (403): run bennu top beside the server with"
                " http://localhost:..., or write Endpoint(metrics=Metrics(token=...)) and pass --token"
            )
        if location is not None:
            return f"{self.url} is elsewhere ({status}): write bennu top {location}"
        return f"{self.url} answered {status}: expected 200 with metrics"
