"""What a follow wants: a topic, a connection, a user, or several of them together. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ..errors import DefinitionError
from ..logs.printable import described

__all__ = ["Wanted"]


class Wanted(Struct, frozen=True):
    """What is followed. A connection fits if everything that is given fits.

    Attributes:
        topic: A topic, or the beginning of topics with ``*`` at its end; None is every topic.
        connection: The id of a connection; None is every connection.
        user: An id of connections: what ``Socket(id=...)`` returns, or an id of ``info.add_id``; None is every user.

    Raises:
        DefinitionError: Nothing is given, or no text.
    """

    topic: str | None = None
    connection: str | None = None
    user: str | None = None

    def __post_init__(self) -> None:
        given = [one for one in (self.topic, self.connection, self.user) if one is not None]
        if not given or not all(isinstance(one, str) for one in given):  # pyright: ignore[reportUnnecessaryIsInstance] - what users write
            raise DefinitionError(
                "endpoint.inspector.follow(...)",
                expected="a topic, a connection or a user, as text",
                got=", ".join(map(described, given)) or "nothing",
                write='endpoint.inspector.follow(topic="room:7")',
            )

    @property
    def is_topic(self) -> bool:
        """Whether only a topic is followed: on every connection, and its broadcasts once."""
        return self.connection is None and self.user is None

    @property
    def needle(self) -> bytes:
        """Bytes that each message of the topic contains, if no character of it is escaped."""
        return (self.topic or "").removesuffix("*").encode(errors="replace")

    def has_topic(self, topic: str | None) -> bool:
        """Return whether something that belongs to a topic is wanted. What belongs to no topic fits no followed topic."""
        if self.topic is None:
            return True
        if topic is None:
            return False
        return (
            topic.startswith(self.topic[:-1]) if self.topic.endswith("*") else topic == self.topic
        )

    def has_connection(self, name: str, ids: Iterable[str | None]) -> bool:
        """Return whether a connection is wanted, by its id and the ids of its user."""
        return self.connection in (None, name) and (self.user is None or self.user in ids)
