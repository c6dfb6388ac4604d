"""Makes drafts of broadcasts: gives each an id that no other draft has, and refuses what a log can't carry."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from itertools import count

from msgspec import Raw

from ..errors import EncodeError
from ..message import Broadcast
from ..protocol.encoding import encode_object, raw_object
from .entry import NOBODY, Draft

__all__ = ["DraftMaker"]


class DraftMaker:
    """Makes the drafts of one node, from its start to its stop. A child of ``fork`` makes its own, so that no id repeats."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: Iterator[str] = map(f"{secrets.token_hex(8)}-{{:x}}".format, count(1))

    def make(self, message: Broadcast, sender: int = NOBODY) -> Draft:
        """Return the draft of a broadcast.

        Args:
            message: The broadcast.
            sender: A hash of the member that does not get the entry. Default: none.

        Raises:
            EncodeError: The payload is bytes, or no JSON object.
        """
        topic, event, payload = message.topic, message.event, message.payload
        if isinstance(payload, bytes):
            raise EncodeError(
                f"a topic with history carries JSON objects, and the broadcast of {event!r} on {topic!r} is bytes:"
                " write a JSON object, or use local_broadcast or a topic without history"
            )
        is_encoded = payload.__class__ is Raw
        content = bytes(raw_object(payload)) if is_encoded else encode_object(payload)
        return Draft(next(self._ids), event, content, sender, int(time.time() * 1000))
