"""The public keys of who issues tokens: a JSON Web Key Set behind a URL (RFC 7517).

Theory of operation. The set is fetched in a thread, and kept. It is fetched again when it is old, and when a token
names a key that is not in it, which is how a new key is noticed. Whatever clients send, between two fetches lie
``cooldown`` seconds; whoever asks while one is under way waits for that one. A fetch that fails leaves the old keys in use
until they are ``max_age`` seconds old: an outage of the issuer locks nobody out, and an issuer that is gone vouches for
nobody. A set without keys is an answer, and takes effect at once.

Keys decide who is let in, so they come by TLS only, from the address itself (no redirect is followed), within a size.
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

try:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError
except ImportError as error:
    raise ImportError("JSON Web Tokens need PyJWT: pip install 'bennu[jwt]'") from error

__all__ = ["KeySet"]


_NEVER: Final = float("-inf")

MAX_BYTES: Final = 512 * 1024
"""Bytes of a key set: some hundred keys, or one with a long chain of certificates."""

PIECE: Final = 16 * 1024
"""Bytes that are read between two looks at the clock."""


class KeySet:
    """The keys behind a URL.

    Args:
        url: Of the key set.
        timeout: Seconds that fetching it may take.
        lifespan: Seconds after which it is fetched again.
        cooldown: Seconds that lie between two fetches at least.
        max_age: Seconds after which keys are used no more that could not be fetched again.

    Raises:
        ValueError: The URL is none of https. One of http is taken for this machine's own addresses.
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
        """Return the keys that may have signed a token.

        Args:
            key_id: The ``kid`` that the token names; None is all keys.

        Raises:
            Refused: There are no keys at all, since the URL does not answer.
        """
        now = asyncio.get_running_loop().time()
        found = self._matching(key_id)
        is_old = now - self._fetched_at >= self._lifespan
        if (is_old or not found) and (self._fetching or now - self._tried_at >= self._cooldown):
            await self._fetch(now)
            found = self._matching(key_id)
        if self._keys and now - self._fetched_at >= self._max_age:
            self._log.error("The keys of %s are too old, and are used no more", self.url)
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
        await asyncio.shield(self._fetching)  # one that waits may go away

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
        """Return the answer, in a thread; one at a time, for an issuer may keep a thread for long.

        Raises:
            OSError: It does not come, or not in time.
            ValueError: It is too long.
        """
        if not self._under_way.acquire(blocking=False):
            raise OSError("the fetch before it is still under way")
        try:
            deadline = time.monotonic() + self._timeout
            opener = urllib.request.build_opener(_NoRedirects())
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


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Lets a redirect be the error that it is: it could lead to an address without TLS, or into our own network."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        """Follow none."""


def _check(url: object) -> None:
    """Raise ValueError unless the answer can only come from whom the URL names."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or not parts.hostname:
        raise ValueError("it is no URL")
    is_here = parts.hostname == "localhost" or is_loopback(parts.hostname)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise ValueError("it is not of https")


def _signing_keys(content: bytes, log: Log) -> list[PyJWK]:
    """Return the keys that verify signatures. A secret has no place in a public set; what can't be used is left out.

    Raises:
        ValueError: This is no key set.
    """
    try:
        document: Any = json.loads(content)
    except RecursionError as error:
        raise ValueError("the answer is no key set: it is nested too deeply") from error
    found: Any = (
        cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
    )
    if not isinstance(found, list):
        raise ValueError('the answer is no key set: it has no list "keys"')  # noqa: TRY004 - of its content
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
