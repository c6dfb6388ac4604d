"""A person with a page, in Python: pycrdt in the place of Yjs, and the messages of y-phoenix-channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pycrdt import (
    Assoc,
    Awareness,
    Doc,
    Text,
    TransactionEvent,
    create_awareness_message,
    create_sync_message,
    create_update_message,
    handle_sync_message,
    read_message,
    write_message,
    write_var_uint,
)

__all__ = ["BREAKING", "Writer", "cursor_message", "update_of"]

AWARENESS: Final = 1
STEP_2: Final = 1

BREAKING: Final = bytes.fromhex(
    "0104a8bca3a4d6d0d508ff80ff80ff000401047465787402616281a8bca3a4d6d0d508010181a8bca3a4d6d0d5080201"
    "c1a8bca3a4d6d0d50802a8bca3a4d6d0d508030301a8bca3a4d6d0d508010205"
)
"""An update that pycrdt can read, and whose merge panics: a generator of damaged updates found it."""

Send = Callable[[str, bytes], object]


class Writer:
    """What a page has, and what it sends.

    Args:
        name: The name of the person.

    Attributes:
        client: The number of the page in Yjs.
        send: Sends an event and its payload; None while there is no channel.
        is_synced: Whether the page has got the text of the server.
        has_answered: Whether the page has sent what the server lacked.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.send: Send | None = None
        self.is_synced = self.has_answered = False
        self._doc: Doc[Any] = Doc()
        self._text = self._doc.get("text", type=Text)
        self._cursors = Awareness(self._doc)
        self._is_remote = False
        self.client = self._doc.client_id
        self._doc.observe(self._changed)
        self._cursors.observe(self._moved)

    # What the person sees and does.

    @property
    def text(self) -> str:
        """The text."""
        return str(self._text)

    @property
    def size(self) -> int:
        """The length of the text in bytes: places are numbered so."""
        return len(self._text)

    @property
    def cursors(self) -> dict[int, Any]:
        """The cursors of other pages, by their numbers: the names of the people, and where they are."""
        return {
            client: state for client, state in self._cursors.states.items() if client != self.client
        }

    @property
    def names(self) -> list[str]:
        """The names at the cursors of other pages."""
        return sorted(state["user"]["name"] for state in self.cursors.values())

    def write(self, text: str, at: int | None = None) -> None:
        """Insert a text, by default at the end."""
        self._text.insert(len(self._text) if at is None else at, text)

    def erase(self, start: int, stop: int) -> None:
        """Delete a part of the text."""
        del self._text[start:stop]

    def point(self, at: int | None = None, **fields: Any) -> None:
        """Move the cursor before a character, by default to the begin; with more fields of its state."""
        here = {"type": None, "tname": "text", "item": None, "assoc": 0}
        if at is not None:
            here |= {"tname": None, **self._text.sticky_index(at, Assoc.AFTER).to_json()}
        state = {"cursor": {"anchor": here, "head": here}, "user": {"name": self.name}, **fields}
        self._cursors.set_local_state(state)

    # What the page does.

    def joined(self, send: Send) -> None:
        """The channel has joined: send what y-phoenix-channel sends then, and a cursor with a new number."""
        self.send = send
        send("yjs_sync", create_sync_message(self._doc))
        self._cursors.set_local_state(self._cursors.get_local_state())

    def lost(self) -> None:
        """The channel is gone, and so are the cursors of others, with their numbers."""
        self.send = None
        self.is_synced = self.has_answered = False
        others = [client for client in self._cursors.states if client != self.client]
        self._cursors.remove_awareness_states(others, "remote")
        for client in [one for one in self._cursors.meta if one != self.client]:
            del self._cursors.meta[client]

    def receive(self, message: bytes) -> None:
        """Handle a message of the server, and answer it."""
        self._is_remote = True
        try:
            if message[0] == AWARENESS:
                self._cursors.apply_awareness_update(read_message(message[1:]), "remote")
                return
            answer = handle_sync_message(message[1:], self._doc)
        finally:
            self._is_remote = False
        self.is_synced = self.is_synced or message[1] == STEP_2
        if answer is not None:
            self._push("yjs", answer)
            self.has_answered = True

    def _push(self, event: str, message: bytes) -> None:
        if self.send is not None:
            self.send(event, message)

    def _changed(self, event: TransactionEvent) -> None:
        if not self._is_remote:
            self._push("yjs", create_update_message(event.update))

    def _moved(self, kind: str, change: tuple[dict[str, Any], Any]) -> None:
        """Send each change of a cursor: also those of other pages, as y-phoenix-channel does."""
        changed = change[0]
        if kind == "update" and (clients := [one for part in changed.values() for one in part]):
            data = self._cursors.encode_awareness_update(clients)
            self._push("yjs", create_awareness_message(data))


def update_of(text: str) -> bytes:
    """Return the update of a page that has written a text."""
    doc: Doc[Any] = Doc({"text": Text(text)})
    return doc.get_update()


def cursor_message(client: int, clock: int, state: bytes) -> bytes:
    """Return the message that brings one state, with any JSON."""
    entry = write_var_uint(client) + write_var_uint(clock) + write_message(state)
    return create_awareness_message(b"\1" + entry)
