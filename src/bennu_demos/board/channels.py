"""The channel: a board, with the people who look at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bennu import Channel, History, Presence, Refused, on

from .example import NEW_LISTS
from .store import Store
from .wire import BoardOut, Change, Done, Joined, JoinParams, Look, Looking, Request

__all__ = ["BoardChannel", "State", "User"]


@dataclass(frozen=True)
class User:
    """The person of a connection.

    Attributes:
        key: A hash of the page's token: the others see the key, and nobody can make the token of it.
        name: The name.
    """

    key: str
    name: str


@dataclass(frozen=True)
class State:
    """What all channels share: the lifespan yields it.

    Attributes:
        store: The boards.
        presence: The people of each board.
    """

    store: Store
    presence: Presence


class BoardChannel(Channel[User, State]):
    """A board: ``board:{id}``. Anyone who knows the id can join.

    The page loads the board once. Then it gets each change through the history of the board, in one order for all pages
    and all workers, also the changes that were made while its connection was lost.
    """

    board: str
    card: str | None
    history = History(size=2_000, ttl=timedelta(days=1))
    emits = {"change": Change}

    async def join(self, params: JoinParams) -> Joined:
        """Accept everyone. A board is made if the page asks for it."""
        if not await self.state.store.has(self.board):
            if not (params.new and _is_id(self.board)):
                raise Refused("no_such_board")
            await self.state.store.make(self.board, "New board", NEW_LISTS)
        self.card = params.card
        return Joined(self.assigns.key)

    async def after_join(self) -> None:
        """Add this person to the list of people, and send the list to this page."""
        await self.state.presence.track(self, self.assigns.key, self._looking())
        await self.state.presence.push_state(self)

    @on("load", rate="2/second, burst 10")
    async def load(self) -> BoardOut:
        """Return the whole board. A change between the two reads comes after the position: the page ignores it by its version."""
        position = await self.endpoint.position(self.topic)
        return await self.state.store.load(self.board, str(position))

    @on("do", rate="10/second, burst 40", idempotent_by="op", ttl=timedelta(days=1))
    async def do(self, request: Request) -> Done:
        """Do an operation. A repeat of it gets the first reply, and changes nothing."""
        return Done(await self.state.store.do(self.board, request, self.assigns.name))

    @on("look", rate="5/second, burst 20")
    async def look(self, look: Look) -> None:
        """Tell the others which card this person looks at."""
        self.card = look.card
        await self.state.presence.update(self, self.assigns.key, self._looking())

    def _looking(self) -> Looking:
        return Looking(self.assigns.name, self.card)


def _is_id(board: str) -> bool:
    return len(board) == 32 and all(character in "0123456789abcdef" for character in board)
