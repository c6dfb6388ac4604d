"""The public keys of who issues tokens: a JSON Web Key Set behind a URL (RFC 7517).

Theory of operation. The set is fetched in a thread, by PyJWT's client, and kept. It is fetched again when
it is old, and when a token names a key that is not in it, which is how a new key is noticed. Whatever
clients send, between two fetches lie ``cooldown`` seconds; whoever asks while one is under way waits for
that one. A fetch that fails leaves the old keys in use: an outage of the issuer locks nobody out.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from .errors import Refused
from .reasons import Reason

try:
    from jwt import PyJWK, PyJWKClient, PyJWKSet
    from jwt.exceptions import PyJWTError
except ImportError as error:
    raise ImportError("JSON Web Tokens need PyJWT: pip install 'bennu[jwt]'") from error

__all__ = ["KeySet"]

logger = logging.getLogger("bennu")

_NEVER: Final = float("-inf")


class KeySet:
    """The keys behind a URL.

    Args:
        url: Of the key set.
        timeout: Seconds that fetching it may take.
        lifespan: Seconds after which it is fetched again.
        cooldown: Seconds that lie between two fetches at least.

    Raises:
        PyJWTError: The URL is none of HTTP.
    """

    def __init__(
        self, url: str, *, timeout: float = 5.0, lifespan: float = 300.0, cooldown: float = 30.0
    ) -> None:
        self.url = url
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=timeout)
        self._timeout = timeout
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
            async with asyncio.timeout(self._timeout):  # its own is for each step of it alone
                content = await asyncio.to_thread(self._client.fetch_data)
            self._keys = _signing_keys(content)
            self._fetched_at = now
        except (PyJWTError, OSError, ValueError) as error:
            logger.warning("The keys of %s could not be fetched: %r", self.url, error)
        finally:
            self._fetching = None


def _signing_keys(content: dict[str, Any]) -> list[PyJWK]:
    """Return the keys that verify signatures. A secret has no place in a public set."""
    return [
        key
        for key in PyJWKSet.from_dict(content).keys
        if key.public_key_use in (None, "sig") and key.key_type != "oct"
    ]
