"""The public keys of an issuer of tokens: a JSON Web Key Set behind a URL (RFC 7517).

Theory of operation. The set is fetched in a thread, and kept. It is fetched again when it is old, and when a token names a
key that is not in the set: that key can be new. Between two fetches there are at least ``cooldown`` seconds, even if
clients send many unknown keys. A call during a fetch waits for that fetch. After a failed fetch the old keys stay in use,
until they are ``max_age`` seconds old. So a short outage of the issuer locks no client out, and keys of an issuer that is
gone expire. A set without keys takes effect at once.

Keys decide which clients are accepted. So they are fetched by TLS only, from the URL itself (no redirect is followed), and
with a limited size.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
import urllib.request
from typing import Any, Final, cast
from urllib.parse import urlsplit

from ..errors import Refused
from ..logs.log import Log
from ..protocol.hosts import is_loopback
from ..reasons import Reason
from .no_redirects import NoRedirects

try:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError
except ImportError as error:
    raise ImportError("JSON Web Tokens need PyJWT: pip install 'bennu[jwt]'") from error

__all__ = ["KeySet"]


_NEVER: Final = float("-inf")

MAX_BYTES: Final = 512 * 1024
"""Bytes of the largest key set: some hundred keys, or one key with a long chain of certificates."""

PIECE: Final = 16 * 1024
"""Bytes that are read between two checks of the time."""


class KeySet:
    """The keys behind a URL.

    Args:
        url: The URL of the key set.
        timeout: The most seconds of one fetch.
        lifespan: Seconds after which the set is fetched again.
        cooldown: The least seconds between two fetches.
        max_age: Seconds for which keys stay in use while they can't be fetched again.

    Raises:
        ValueError: The URL is not https. A URL of http is accepted for addresses of this machine.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 5.0,
        lifespan: float = 300.0,
        cooldown: float = 30.0,
        max_age: float = 86_400.0,
    ) -> None:
        _check(url)
        self.url = url
        self._max_age = max_age
        self._under_way = threading.Lock()
        self._timeout = timeout
        self._log = Log()
        self._lifespan = lifespan
        self._cooldown = cooldown
        self._keys: list[PyJWK] = []
        self._fetched_at = _NEVER
        self._tried_at = _NEVER
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> list[PyJWK]:
        """Return the keys that can have signed a token.

        Args:
            key_id: The ``kid`` of the token; None returns all keys.

        Raises:
            Refused: There are no keys, because the URL does not answer.
        """
        now = asyncio.get_running_loop().time()
        found = self._matching(key_id)
        is_old = now - self._fetched_at >= self._lifespan
        if (is_old or not found) and (self._fetching or now - self._tried_at >= self._cooldown):
            await self._fetch(now)
            found = self._matching(key_id)
        if self._keys and now - self._fetched_at >= self._max_age:
            self._log.error("The keys of %s are too old, and are no longer used", self.url)
            self._keys = found = []
        if not self._keys:
            wait = max(0.0, self._tried_at + self._cooldown - now)
            raise Refused(Reason.KEYS_UNAVAILABLE.text, retry_after_ms=round(wait * 1000))
        return found

    def _matching(self, key_id: str | None) -> list[PyJWK]:
        return [key for key in self._keys if key_id is None or key.key_id == key_id]

    async def _fetch(self, now: float) -> None:
        if self._fetching is None:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch_once(now))
        await asyncio.shield(self._fetching)  # the caller can be cancelled

    async def _fetch_once(self, now: float) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                content = await asyncio.to_thread(self._download)
            self._keys = _signing_keys(content, self._log)
            self._fetched_at = now
            if not self._keys:
                self._log.error("%s has no key for signatures: no token is accepted", self.url)
        except (PyJWTError, OSError, ValueError, http.client.HTTPException) as error:
            self._log.warning("The keys of %s could not be fetched: %s", self.url, repr(error))
        finally:
            self._fetching = None

    def _download(self) -> bytes:
        """Return the answer. This runs in a thread, one call at a time, because an issuer can hold the thread for long.

        Raises:
            OSError: No answer arrived in time.
            ValueError: The answer is too long.
        """
        if not self._under_way.acquire(blocking=False):
            raise OSError("the previous fetch is still under way")
        try:
            deadline = time.monotonic() + self._timeout
            opener = urllib.request.build_opener(NoRedirects())
            request = urllib.request.Request(self.url, headers={"Accept": "application/json"})  # noqa: S310 - checked
            with opener.open(request, timeout=self._timeout) as response:
                content = bytearray()
                while piece := response.read1(PIECE):
                    content += piece
                    if len(content) > MAX_BYTES:
                        raise ValueError(f"the answer has more than {MAX_BYTES} bytes")
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"the answer did not come within {self._timeout:g} s")
                return bytes(content)
        finally:
            self._under_way.release()


def _check(url: object) -> None:
    """Raise ValueError, unless only the host of the URL can answer."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or not parts.hostname:
        raise ValueError("the text is no URL")
    is_here = parts.hostname == "localhost" or is_loopback(parts.hostname)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise ValueError("the URL is not https")


def _signing_keys(content: bytes, log: Log) -> list[PyJWK]:
    """Return the keys that verify signatures. Secrets and unusable keys are left out.

    Raises:
        ValueError: The content is no key set.
    """
    try:
        document: Any = json.loads(content)
    except RecursionError as error:
        raise ValueError("the answer is no key set: it is nested too deeply") from error
    found: Any = (
        cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
    )
    if not isinstance(found, list):
        raise ValueError('the answer is no key set: it has no list "keys"')  # noqa: TRY004 - the content has a wrong value
    keys: list[PyJWK] = []
    for data in cast("list[Any]", found):
        try:
            key = PyJWK(data)
        except (PyJWTError, ValueError, TypeError, AttributeError) as error:
            log.debug("A key of the set can't be used: %s", repr(error))
            continue
        if key.public_key_use in (None, "sig") and key.key_type != "oct":
            keys.append(key)
    return keys
