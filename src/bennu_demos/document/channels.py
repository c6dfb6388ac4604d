"""The channel of a document: ``doc:{document_id}``."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

from bennu import Channel, Ok, Refused, Stop, on

from .documents import MAX_STATE, Document, DocumentFull, Documents
from .keys import id_of
from .wire import (
    MAX_NAME,
    Cursor,
    Cursors,
    Device,
    Full,
    Join,
    Malformed,
    Rename,
    StateVector,
    Update,
    cursors,
    parse,
    reread,
    state_vector,
    updates_after,
)

__all__ = ["DocumentChannel"]


class DocumentChannel(Channel[None, Documents]):
    """One page that has a document open.

    The events ``yjs`` and ``yjs_sync`` are those of the npm package y-phoenix-channel, which reads no replies. The page reads
    those to updates by itself, to say what is saved.
    """

    document_id: str
    emits = {"yjs": bytes, "full": Full}

    document: Document
    clock: int | None = None
    """The number of the cursor that others have of this page."""

    is_ahead = False
    """Whether the page has an edit that the document has no room for. Its later edits would lack that one."""

    async def join(self, params: Join) -> None:
        """Accept a page whose document exists. Only a page with the key may write."""
        if params.key and id_of(params.key) != self.document_id:
            raise Refused("wrong_key")
        if not await self.state.store.exists(self.document_id):
            raise Refused("no_such_document")
        self.client, self.name = params.client, _tidy(params.name)
        self.mode: Literal["write", "read"] = "write" if params.key else "read"

    async def after_join(self) -> None:
        """Open the document for as long as this channel lives, and show this page in the list of people."""
        self.document = document = self.state.open(self.document_id)
        life = self.start(asyncio.Event().wait())
        life.add_done_callback(lambda _: self.state.close(document))
        await self.state.presence.track(self, str(self.client), self._device())
        await self.state.presence.push_state(self)

    def _device(self) -> Device:
        return Device(self.name, self.mode, self.client)

    @on("rename", rate="1/second, burst 10")
    async def rename(self, new: Rename) -> None:
        """Show another name. The page then sends its cursor again, which gets the new name."""
        self.name = _tidy(new.name)
        await self.state.presence.update(self, str(self.client), self._device())

    @on("yjs_sync")
    async def start_sync(self, message: bytes) -> None:
        """Answer a page that has just joined: send what it lacks, ask for what it wrote offline, show the cursors."""
        await self.yjs(message)
        if self.mode == "write":
            await self.push("yjs", state_vector(await self.document.state()))
        await self.push("yjs", self.document.cursors())

    @on("yjs")
    async def yjs(self, message: bytes) -> Ok | None:
        """Handle a message of Yjs, and answer an update that is stored.

        After a malformed message the channel ends, and the page joins again.
        """
        try:
            match parse(message):
                case StateVector(state):
                    missing = await self.document.missing(state)
                    await self.push("yjs", updates_after(missing, answers=True))
                case Update(update) if self.mode == "write" and not self.is_ahead:
                    return await self._write(update)
                case Cursors(moved):
                    for cursor in moved:  # a page also repeats the cursors of others
                        if cursor.client == self.client:
                            await self._move(cursor)
                case _:
                    pass
        except Malformed as error:
            raise Stop(f"malformed: {error}") from error
        return None

    async def _write(self, update: bytes) -> Ok | None:
        if update != NOTHING:
            try:
                await self.document.write(update)
            except DocumentFull:
                self.is_ahead = True
                await self.push("full", Full(MAX_STATE))
                return None
            await self.broadcast_from("yjs", updates_after(update))
        return Ok()

    async def _move(self, cursor: Cursor) -> None:
        state = None if cursor.state is None else reread(cursor.state, self.name)
        self.clock = None if state is None else cursor.clock
        await self.broadcast_from("yjs", cursors([Cursor(cursor.client, cursor.clock, state)]))

    async def terminate(self, reason: str | Exception) -> None:
        """Remove the cursor.

        The removal has the number of the cursor that is removed. If the page is back by another channel, on this node or
        another, it has sent a cursor with a higher number, and everybody ignores this removal.
        """
        if self.clock is not None:
            gone = Cursor(self.client, self.clock, None)
            await self.broadcast_from("yjs", cursors([gone]))


NOTHING: Final = b"\0\0"
"""The update of a page that has written nothing."""


def _tidy(name: str) -> str:
    return " ".join(name.split())[:MAX_NAME] or "Somebody"
