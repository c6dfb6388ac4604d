"""The boards. Each operation is one transaction: the rows, the version and the broadcast, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar
from uuid import uuid4

from msgspec import convert
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bennu import Endpoint, Refused

from . import wire
from .keys import MAX_KEY, first_keys, index_of, key_at, spread
from .tables import Board, Card, List

__all__ = ["MAX_CARDS", "MAX_LISTS", "Store"]

MAX_LISTS: Final = 20
MAX_CARDS: Final = 500
"""A board has at most this number of cards."""

Row = TypeVar("Row", List, Card)


class Store:
    """The boards in the database.

    Args:
        endpoint: The endpoint: its store is this database, so a broadcast is part of a transaction.
        sessions: Opens sessions.
    """

    def __init__(self, endpoint: Endpoint, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._endpoint = endpoint
        self._sessions = sessions

    async def has(self, board: str) -> bool:
        """Return whether the board exists."""
        async with self._sessions() as session:
            return await session.get(Board, board) is not None

    async def make(self, board: str, title: str, lists: Mapping[str, Sequence[str]]) -> None:
        """Make a board, unless it exists.

        Args:
            board: The id.
            title: The title.
            lists: The titles of its lists, with the titles of their cards.
        """
        if await self.has(board):
            return
        try:
            async with self._sessions.begin() as session:
                session.add(Board(id=board, title=title))
                await session.flush()
                for list_key, (name, cards) in zip(
                    first_keys(len(lists)), lists.items(), strict=True
                ):
                    row = List(id=uuid4().hex, board=board, key=list_key, title=name)
                    session.add(row)
                    await session.flush()
                    for key, card in zip(first_keys(len(cards)), cards, strict=True):
                        session.add(
                            Card(id=uuid4().hex, board=board, list=row.id, key=key, title=card)
                        )
        except IntegrityError:  # another page or worker makes it at the same moment
            if not await self.has(board):
                raise

    async def load(self, board: str, position: str) -> wire.BoardOut:
        """Return the whole board.

        Args:
            board: The id of the board.
            position: The position of the board's history, read before this call.
        """
        async with self._sessions() as session:
            found = await session.get_one(Board, board)
            lists = await session.scalars(
                select(List).where(List.board == board).order_by(List.key)
            )
            cards = await session.scalars(
                select(Card).where(Card.board == board).order_by(Card.key)
            )
            return wire.BoardOut(
                position,
                found.version,
                found.title,
                [list_out(row) for row in lists],
                [card_out(row) for row in cards],
            )

    async def do(self, board: str, request: wire.Request, by: str) -> int:
        """Do an operation, and broadcast what it has changed.

        Args:
            board: The id of the board.
            request: The operation.
            by: The name of the person.

        Returns:
            The new version of the board.

        Raises:
            Refused: The operation does not fit the board as it is now. Then nothing has changed.
        """
        async with self._sessions.begin() as session:
            # The first statement writes, so the next operation of this board waits here until this one is committed.
            rise = update(Board).where(Board.id == board).values(version=Board.version + 1)
            version = (await session.execute(rise.returning(Board.version))).scalar_one()
            change = wire.Change(
                version, request.op, by, str(type(request.do).__struct_config__.tag)
            )
            await _Work(session, board, change).run(request.do)
            self._endpoint.outbox(session).broadcast(f"board:{board}", "change", change)
        return version


class _Work:
    """One operation in its transaction. It fills the change."""

    def __init__(self, session: AsyncSession, board: str, change: wire.Change) -> None:
        self._session = session
        self._board = board
        self._change = change

    async def run(self, do: wire.Operation) -> None:
        match do:
            case wire.RenameBoard():
                (await self._session.get_one(Board, self._board)).title = do.title
                self._change.title = do.title
            case wire.AddList():
                await self._add_list(do)
            case wire.RenameList():
                row = await self._list(do.list)
                row.title = do.title
                self._change.lists = [list_out(row)]
            case wire.MoveList():
                row = await self._list(do.list)
                moved = await self._put(row, do.spot, await self._lists())
                self._change.lists = [list_out(row) for row in moved]
            case wire.RemoveList():
                row = await self._list(do.list)
                await self._session.execute(delete(Card).where(Card.list == row.id))
                await self._session.delete(row)
                self._change.gone = [do.list]
            case wire.AddCard():
                await self._add_card(do)
            case wire.EditCard():
                await self._edit(do)
            case wire.MoveCard():
                await self._move(do)
            case wire.RemoveCard():
                await self._session.delete(await self._card(do.card))
                self._change.gone = [do.card]
            case _:
                raise TypeError(f"an operation without a case: {do}")

    async def _add_list(self, do: wire.AddList) -> None:
        lists = await self._lists()
        row = next(
            (row for row in lists if row.id == do.list), None
        )  # a repeat: the reply was lost
        if row is None:
            if len(lists) >= MAX_LISTS:
                raise Refused("too_many_lists")
            await self._is_free(List, do.list)
            row = List(id=do.list, board=self._board, title=do.title)
            row.key = key_at(len(lists), [other.key for other in lists])
            self._session.add(row)
        self._change.lists = [list_out(row)]

    async def _add_card(self, do: wire.AddCard) -> None:
        all_cards = (
            await self._session.scalars(select(Card).where(Card.board == self._board))
        ).all()
        row = next((row for row in all_cards if row.id == do.card), None)
        if row is None:
            if len(all_cards) >= MAX_CARDS:
                raise Refused("too_many_cards")
            await self._list(do.list)
            await self._is_free(Card, do.card)
            keys = [card.key for card in await self._cards(do.list)]
            row = Card(id=do.card, board=self._board, list=do.list, title=do.title, text="")
            row.key = key_at(len(keys), keys)
            row.edited = self._change.version
            self._session.add(row)
        self._change.cards = [card_out(row)]

    async def _edit(self, do: wire.EditCard) -> None:
        row = await self._card(do.card)
        if row.edited != do.seen and (row.title, row.text) != (do.title, do.text):
            raise Refused("edited_meanwhile", title=row.title, text=row.text, edited=row.edited)
        row.title, row.text, row.edited = do.title, do.text, self._change.version
        self._change.cards = [card_out(row)]

    async def _move(self, do: wire.MoveCard) -> None:
        row = await self._card(do.card)
        await self._list(do.list)
        row.list = do.list
        moved = await self._put(row, do.spot, await self._cards(do.list))
        self._change.places = [convert(row, wire.Place, from_attributes=True) for row in moved]

    async def _put(self, row: Row, spot: wire.Spot, present: Sequence[Row]) -> list[Row]:
        """Give a row its key between the present rows, and return all rows whose keys have changed."""
        others = [other for other in present if other.id != row.id]
        index = index_of(spot, [other.id for other in others])
        row.key = key_at(index, [other.key for other in others])
        if len(row.key) <= MAX_KEY:
            return [row]
        others.insert(index, row)
        for other, key in zip(others, spread([other.key for other in others]), strict=True):
            other.key = key
        return others

    async def _lists(self) -> Sequence[List]:
        query = select(List).where(List.board == self._board).order_by(List.key)
        return (await self._session.scalars(query)).all()

    async def _cards(self, of: str) -> Sequence[Card]:
        with (
            self._session.no_autoflush
        ):  # a card that moves here has its new list, but not yet its new key
            return (
                await self._session.scalars(select(Card).where(Card.list == of).order_by(Card.key))
            ).all()

    async def _list(self, row_id: str) -> List:
        row = await self._session.get(List, row_id)
        if row is None or row.board != self._board:
            raise Refused("list_gone")
        return row

    async def _card(self, row_id: str) -> Card:
        row = await self._session.get(Card, row_id)
        if row is None or row.board != self._board:
            raise Refused("card_gone")
        return row

    async def _is_free(self, table: type[List | Card], row_id: str) -> None:
        """Refuse the id of a row of another board."""
        if await self._session.get(table, row_id) is not None:
            raise Refused("id_taken")


def list_out(row: List) -> wire.ListOut:
    return convert(row, wire.ListOut, from_attributes=True)


def card_out(row: Card) -> wire.CardOut:
    return convert(row, wire.CardOut, from_attributes=True)
