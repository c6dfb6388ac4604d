"""The payloads between the page and the server, in both directions."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

__all__ = [
    "MAX_NAME",
    "AddCard",
    "AddList",
    "BoardOut",
    "CardOut",
    "Change",
    "ConnectParams",
    "Done",
    "EditCard",
    "JoinParams",
    "Joined",
    "ListOut",
    "Look",
    "Looking",
    "MoveCard",
    "MoveList",
    "Operation",
    "Place",
    "RemoveCard",
    "RemoveList",
    "RenameBoard",
    "RenameList",
    "Request",
    "Spot",
]

MAX_NAME: Final = 40

Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=4000)]


# From the page.


class ConnectParams(Struct):
    """The parameters of the socket.

    Attributes:
        token: A secret that the page made at its first visit. It tells one person from another.
        name: The name that the others see.
    """

    token: Id
    name: str


class JoinParams(Struct):
    """The parameters of a board's join.

    Attributes:
        new: Whether the server may make the board. Without it a wrong address would make one.
        card: The card that the person looks at.
    """

    new: bool = False
    card: Id | None = None


class Look(Struct):
    """The card that the person looks at now, or None."""

    card: Id | None


class Spot(Struct):
    """A place between two neighbours. The page never makes a sort key: it names what it sees beside the place.

    Attributes:
        after: The neighbour before the place; None at the start.
        before: The neighbour behind the place; None at the end.
    """

    after: Id | None = None
    before: Id | None = None


class Operation(Struct, tag_field="kind"):
    """A change that a person wants. The page makes the ids of new lists and cards, so a repeat adds nothing twice."""


class RenameBoard(Operation, tag="rename_board"):
    title: Title


class AddList(Operation, tag="add_list"):
    list: Id
    title: Title


class RenameList(Operation, tag="rename_list"):
    list: Id
    title: Title


class MoveList(Operation, tag="move_list"):
    list: Id
    spot: Spot


class RemoveList(Operation, tag="remove_list"):
    list: Id


class AddCard(Operation, tag="add_card"):
    card: Id
    list: Id
    title: Title


class EditCard(Operation, tag="edit_card"):
    """New texts of a card.

    Attributes:
        seen: The version of the texts that the person began with. If it is an old one, the edit is refused.
    """

    card: Id
    title: Title
    text: Text
    seen: int


class MoveCard(Operation, tag="move_card"):
    card: Id
    list: Id
    spot: Spot


class RemoveCard(Operation, tag="remove_card"):
    card: Id


class Request(Struct):
    """An operation with its id: a page that got no reply sends both again, and the server does it once."""

    op: Id
    do: (
        RenameBoard
        | AddList
        | RenameList
        | MoveList
        | RemoveList
        | AddCard
        | EditCard
        | MoveCard
        | RemoveCard
    )


# To the page.


class ListOut(Struct):
    """A list. Lists are sorted by their keys, compared character by character."""

    id: str
    key: str
    title: str


class CardOut(Struct):
    """A card.

    Attributes:
        edited: The version of the board at the last change of the title or the text.
    """

    id: str
    list: str
    key: str
    title: str
    text: str
    edited: int


class Place(Struct):
    """The new place of a card: a move does not send its texts again."""

    id: str
    list: str
    key: str


class Change(Struct, omit_defaults=True):
    """What one operation has changed, as rows: a page stores them, and computes nothing.

    Attributes:
        version: The version of the board after the change. It rises by one from change to change.
        op: The id of the operation.
        by: The name of the person.
        kind: The kind of the operation.
        title: The new title of the board.
        lists: New or changed lists.
        cards: New or changed cards.
        places: Cards of which only the place has changed.
        gone: The ids of removed lists and cards. The cards of a removed list are gone with it.
    """

    version: int
    op: str
    by: str
    kind: str
    title: str | None = None
    lists: list[ListOut] = []
    cards: list[CardOut] = []
    places: list[Place] = []
    gone: list[str] = []


class Joined(Struct):
    """The reply to a join: the key of this person among the presences."""

    person: str


class BoardOut(Struct):
    """A whole board, and the position of its history that was read before it."""

    position: str
    version: int
    title: str
    lists: list[ListOut]
    cards: list[CardOut]


class Done(Struct):
    """The reply to an operation: the version of the board that contains it."""

    version: int


class Looking(Struct):
    """The meta of a presence: the name of the person, and the card that the person looks at."""

    name: str
    card: str | None
