"""The clients of the explorer, with the helper of a page: docs/recovery.md says what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bennu.history.position import Asked, Position
from bennu.store import LogEntry

from .explorer_node import Frame, ModelConnection, ModelMember, ModelNode, Request
from .explorer_store import Fault

if TYPE_CHECKING:
    from .explorer_world import World

__all__ = ["ModelClient"]


class ModelClient:
    """A page with one channel.

    Args:
        world: The world.
        number: Clients 0 to 5 are three users with two tabs each. 2 and 3 have a handler for the event "x"; 4 must not read
            what is old; 5 has no token. 6 and 7 are plain.
    """

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.is_plain = number >= 6
        self.intercepts = number in (2, 3)
        self.connection: ModelConnection | None = None
        self.state = "off"  # off, errored, joining, joined
        self.ref = 0
        self.position: Position | None = None
        self.forged = False
        self.senders: set[int] = set()
        self.plain_epoch = ""
        self.plain_heard: int | None = None

    def sender_of(self, request: Request) -> int:
        """Return the sender of a join: the hash of the token. A client without a token has a new one each time."""
        sender = self.number + 1
        if request.asked is None or not request.asked.client:
            sender = 100 * (self.world.tick() + 1) + sender
        self.senders.add(sender)
        return sender

    def keeps(self, entry: LogEntry) -> bool:
        """Whether the handler for the event "x" pushes an entry."""
        return entry.time % 3 != 0

    # Connections and joins.

    def cut(self) -> None:
        connection = self.connection
        if connection is not None:
            connection.is_alive = False
            connection.node.connections.remove(connection)
            if connection.member is not None:
                connection.member.end()
        self.connection, self.state = None, "off"

    def connect(self, node: ModelNode) -> None:
        self.connection, self.state = ModelConnection(self, node), "errored"
        node.connections.append(self.connection)

    def join(self, forged: Position | None = None, *, is_valid: bool = True) -> None:
        assert self.connection is not None
        self.ref += 1
        self.state = "joining"
        self.forged = forged is not None or not is_valid
        floor = None
        asked = None
        if not self.is_plain:
            token = "" if self.number == 5 else f"token-of-client-{self.number}"
            asked = Asked(forged or self.position, token, is_valid=True)
            if not is_valid:
                asked = Asked(None, "", is_valid=False)
        if self.number == 4:
            floor = self.world.clock - self.world.rng.randint(0, 12)
        self.connection.requests.append(Request("join", self.ref, asked, floor))

    def time_out(self) -> None:
        """Give up a join, and join again."""
        assert self.connection is not None
        self.connection.requests.append(Request("leave", self.ref))
        self.join()

    def member(self) -> ModelMember | None:
        """Return the channel on the server; None if there is none."""
        return None if self.connection is None else self.connection.member

    # Frames.

    def receive(self) -> None:
        assert self.connection is not None
        frame = self.connection.frames.pop(0)
        if frame.ref is not None and frame.ref != self.ref:
            return
        if frame.kind == "reply":
            self.joined(frame)
        elif frame.kind in ("refused", "error"):
            self.state = "errored"
        elif self.is_plain:
            self.take_plain(*frame.what)
        elif self.state == "joined" or (self.world.mutation == "early" and self.position):
            self.take(*frame.what)

    def joined(self, frame: Frame) -> None:
        self.state = "joined"
        if self.is_plain:
            self.plain_epoch, self.plain_heard = "", None
            return
        recovered, shown, start = frame.what
        if recovered and not self.forged and self.position != start:
            raise Fault(f"recovered at {start}, but the client stands at {self.position}")
        self.position = shown  # if it is not recovered, the application loads afresh

    def take(self, epoch: str, entry: LogEntry) -> None:
        position = self.position
        assert position is not None
        mutation = self.world.mutation
        is_same = epoch == position.epoch
        if mutation == "early" and (entry.offset <= position.offset or not is_same):
            return  # the helper drops repeats
        if not is_same and mutation != "no_epoch":
            raise Fault(f"a frame of epoch {epoch} at {position}")
        if entry.offset <= position.offset:
            raise Fault(f"repeat or wrong order: {entry.offset} at {position}")
        self.expect_whole(entry.offset - 1)
        true = self.world.store.truth.entries.get(Position(epoch, entry.offset))
        if true is None or true.id != entry.id:
            raise Fault("an entry that was not committed")
        if self.intercepts and entry.event == "x" and not self.keeps(entry):
            raise Fault(f"{entry} passes by the handler")
        self.world.stats["delivered"] += 1
        self.position = Position(epoch, entry.offset)

    def expect_whole(self, upto: int) -> None:
        """Check that nothing is missing between the position and an offset."""
        position = self.position
        assert position is not None
        for entry in self.world.store.truth.between(*position, upto):
            is_hidden = self.intercepts and entry.event == "x" and not self.keeps(entry)
            if entry.sender not in self.senders and not is_hidden:
                raise Fault(f"hole: client {self.number} has not seen {entry}")

    def take_plain(self, epoch: str, entry: LogEntry) -> None:
        """Take a frame of Phoenix: the test alone knows its position."""
        truth = self.world.store.truth
        if self.plain_epoch == epoch:
            assert self.plain_heard is not None
            if entry.offset <= self.plain_heard:
                self.world.complain(f"plain: {entry.offset} after {self.plain_heard}")
        elif self.plain_epoch and truth.epochs.index(epoch) < truth.epochs.index(self.plain_epoch):
            self.world.complain(f"plain: epoch {epoch} after {self.plain_epoch}")
        self.plain_epoch, self.plain_heard = epoch, entry.offset
        self.world.stats["plain"] += 1
