"""The nodes of the explorer: the real gate, and members that write into the connections of clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from bennu.history.answer import NotRecovered, RecoveryAnswer
from bennu.history.gate import Gate
from bennu.history.member import HistoryMember, MemberState
from bennu.history.position import Asked, Position
from bennu.history.reader import NOWHERE
from bennu.history.run import ReadRequest
from bennu.store import NOBODY, LogEntry, Page

from .explorer_store import Fault, Seen

if TYPE_CHECKING:
    from .explorer_client import ModelClient
    from .explorer_world import World

__all__ = ["Frame", "ModelConnection", "ModelMember", "ModelNode", "Request"]

PATIENCE = 25
"""Reads after which a join must be answered: there are eight clients, and a log has six pages at most."""


class Request(NamedTuple):
    """What a client sends."""

    kind: str
    """``join`` or ``leave``."""
    ref: int
    asked: Asked | None = None
    floor: float | None = None


class Frame(NamedTuple):
    """What a client gets."""

    kind: str
    """``reply``, ``refused``, ``error`` or ``entry``."""
    ref: int | None
    what: Any = None


@dataclass(eq=False)
class ModelConnection:
    """A connection of a client with a node."""

    client: ModelClient
    node: ModelNode
    is_alive: bool = True
    is_slow: bool = False
    frames: list[Frame] = field(default_factory=list[Frame])
    requests: list[Request] = field(default_factory=list[Request])
    member: ModelMember | None = None


class ModelMember(HistoryMember):
    """A channel of a client. It writes as :class:`~bennu.server.channel_member.ChannelMember` does."""

    def __init__(self, connection: ModelConnection, request: Request, sender: int) -> None:
        self.connection = connection
        self.node = connection.node
        self.world = connection.node.world
        super().__init__(request.asked, sender, request.floor, self.stands())
        self.wanted = request.asked
        self.join_ref = request.ref
        self.reads = 0  # for which it has waited
        self.handled: LogEntry | None = None
        self.is_writing = False
        self.guarded_upto = 0
        self.judged_within: Seen | None = (
            None  # what the node had seen when it found that nothing is recovered
        )

    def start_anew(self, missed: NotRecovered) -> None:
        self.judged_within = self.node.seen
        super().start_anew(missed)

    def stands(self) -> Position | None:
        """Return where the log stands when the user's join begins; None if a store that is down does not say it."""
        if self.world.rng.random() < 0.3:
            return None
        gate = self.node.gate
        if gate.epoch:
            return Position(gate.epoch, gate.last)
        return Position(*(self.world.store.head() or NOWHERE))

    def send(self, kind: str, what: Any = None, *, is_live: bool = False) -> None:
        self.connection.frames.append(Frame(kind, None if is_live else self.join_ref, what))

    def accept(self, answer: RecoveryAnswer | None) -> bool:
        world, chance = self.world, self.world.rng.random()
        if not self.connection.is_alive or chance < 0.01:  # a response that can't be sent
            self.end()
            self.send("error")
            return False
        if answer is None:
            self.send("reply")
            return True
        start, _, missed = answer
        asked = self.wanted
        assert asked is not None
        seen, position = self.node.seen, asked.position
        assert seen is not None
        world.stats["recovered" if missed is None else missed.text] += 1
        if position is not None:
            is_newest = position == Position(self.node.gate.epoch, self.node.gate.last)
            is_there = position.epoch == seen.epoch and seen.joins_up(position.offset)
            if missed is None and not (is_newest or is_there):
                world.complain(f"recovered, but nothing proves {position} within {seen}")
            judged = self.judged_within
            if missed is not None and judged and judged.proves(position, world.bounds, self.floor):
                world.complain(f"{missed.text} in vain: {position} within {judged}")
        if missed is not None and self.stood_at is not None:
            self.expect_overlap(seen, self.stood_at, start)
        self.guarded_upto = seen.newest
        shown = (
            Position(start.epoch, self.node.gate.last) if world.mutation == "reply_top" else start
        )
        self.send("reply", (missed is None, shown, start))
        if chance > 0.99:  # the reply was too much: the connection ends at once
            self.connection.client.cut()
        return True

    def expect_overlap(self, seen: Seen, stood_at: Position, start: Position) -> None:
        """Check that a client which begins anew gets what came after the user's join began."""
        if stood_at.epoch != start.epoch:
            stood_at = Position(start.epoch, 0)
        if start != stood_at and seen.proves(stood_at, self.world.bounds, self.floor):
            raise Fault(
                f"it begins at {start}, and its state is as old as {stood_at}, within {seen}"
            )

    def refuse(self) -> None:
        if self.is_positioned:
            self.end()
            self.send("refused")
        else:  # it needs no store
            self.send("reply")
            self.go_live()

    def go_live(self) -> None:
        self.node.lane[self] = None

    def end(self) -> None:
        """Leave the connection and the node."""
        if self.connection.member is self:
            self.connection.member = None
        self.node.lane.pop(self, None)
        self.node.gate.leave(self)

    def kick(self) -> None:
        self.node.explain_kick(self)
        self.world.stats["kicked"] += 1
        if self.world.mutation != "kick_stays":
            self.end()
        self.send("error")

    # Live.

    def live(self, entry: LogEntry) -> None:
        """Get an entry in the lane."""
        is_own = entry.sender == self.sender != NOBODY
        if self.is_positioned and self.intercepts(entry) and not is_own:
            self.node.lane.pop(self)
            self.node.gate.detach(self, entry)
            self.catch_up()
            return
        if not is_own:
            self.send("entry", (self.node.gate.epoch, entry), is_live=True)
        if self.is_positioned and self.world.rng.random() < 0.02:
            self.slow_down()

    def slow_down(self) -> None:
        """Leave the lane: the client does not read."""
        self.connection.is_slow = True
        if self.is_positioned and self.node.lane.pop(self, self) is None:
            self.node.gate.detach(self)

    def intercepts(self, entry: LogEntry) -> bool:
        return entry.event == "x" and self.connection.client.intercepts

    # Catching up.

    def catch_up(self) -> None:
        if self.is_writing or self.handled is not None:
            return
        self.is_writing = True
        try:
            while self.state is MemberState.CATCHING_UP and not self.connection.is_slow:
                if not (self.queue or self.node.gate.settle(self)):
                    break
                if self.handle_next():
                    break
                self.write_some(self.world.rng.randint(1, 3))
                self.connection.is_slow = self.world.rng.random() < 0.3
        finally:
            self.is_writing = False

    def is_own(self, entry: LogEntry) -> bool:
        """Whether the client has sent an entry, in a replay."""
        if self.world.mutation == "user" and entry.sender != NOBODY:
            return (entry.sender - 1) // 2 == (self.sender - 1) // 2
        return entry.sender == self.sender != NOBODY

    def handle_next(self) -> bool:
        """Give the next entry to a handler, if it is for one."""
        entry = self.queue[0]
        if not self.intercepts(entry) or self.is_own(entry):
            return False
        self.handled = self.queue.popleft()
        return True

    def write_some(self, count: int) -> None:
        while self.queue and count > 0:
            entry = self.queue[0]
            if self.intercepts(entry) and not self.is_own(entry):
                break
            self.queue.popleft()
            self.write(entry)
            count -= 1

    def write(self, entry: LogEntry) -> None:
        self.cursor = entry.offset
        if self.is_own(entry):
            return
        is_early = self.floor is not None and entry.time < self.floor
        if is_early and entry.offset <= self.guarded_upto:
            self.world.complain(f"{entry} is from before {self.floor}")
        self.world.stats["replayed"] += 1
        self.send("entry", (self.node.gate.epoch, entry))

    def handler_done(self) -> None:
        """End the handler, which has pushed the entry, or has left it out."""
        entry, self.handled = self.handled, None
        if entry is not None and self.state is MemberState.CATCHING_UP:
            if self.connection.client.keeps(entry):
                self.write(entry)
            self.cursor = entry.offset
            self.catch_up()


class ModelNode:
    """A node with the real gate. Its listener hears each entry that is passed on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bus: list[tuple[str, LogEntry]] = []
        self.connections: list[ModelConnection] = []
        self.forget()

    def forget(self) -> None:
        """Forget the topic."""
        self.gate: Gate = self.world.gate_type(self.deliver, self.world.bounds)
        self.is_subscribed = False
        self.lane: dict[ModelMember, None] = {}
        self.request: ReadRequest | None = None
        self.page: Page | None = None
        self.is_down = False
        self.seen: Seen | None = None
        self.is_jumping = False
        self.heard: int | None = None  # the offset of the last entry that the listener has got

    # What clients ask.

    def take(self, connection: ModelConnection) -> None:
        """Handle the next request of a connection. A connection that waits for a join is not read from."""
        old = connection.member
        if not connection.requests or (old is not None and old.state is MemberState.JOINING):
            return
        request = connection.requests.pop(0)
        if old is not None and (request.kind == "join" or old.join_ref == request.ref):
            old.end()
        if request.kind == "leave":
            return
        member = ModelMember(connection, request, connection.client.sender_of(request))
        connection.member = member
        if self.world.mutation != "read_first":
            self.is_subscribed = True
        if self.world.rng.random() < 0.03:  # the store is known to be down
            self.gate.refuse(member)
        else:
            self.gate.join(member)

    # What the store answers.

    def issue(self) -> None:
        """Begin a read, if the gate wants one."""
        if self.request is None:
            self.request = self.gate.next_read()

    def ask(self, is_down: bool) -> None:
        """Let the store read."""
        if self.request is None or self.page is not None or self.is_down:
            return
        self.is_down = is_down
        if not is_down:
            self.page, self.seen = self.world.store.read(*self.request)

    def answer(self) -> None:
        """Bring the answer to the gate."""
        page, is_down = self.page, self.is_down
        if page is None and not is_down:
            return
        self.request, self.page, self.is_down = None, None, False
        for connection in self.connections:
            member = connection.member
            if member is not None and member.state is MemberState.JOINING:
                member.reads += member.floor is None  # with a floor it waits for the gate
                if member.reads > PATIENCE:
                    self.world.complain(f"a join is not answered after {PATIENCE} reads")
        if page is None:
            self.gate.failed()
            return
        self.is_subscribed = True  # mutation read_first: only now
        seen, gate = self.seen, self.gate
        assert seen is not None
        is_first = not gate.epoch
        self.is_jumping = not is_first and (
            seen.epoch != gate.epoch or not seen.joins_up(gate.last)
        )
        if self.is_jumping:
            self.heard = None
        gate.answer(page)
        begins = (is_first or self.is_jumping) and self.heard is None
        if begins and gate.last != page.newest:
            self.world.complain(f"the gate begins at {gate.last} within {seen}")
        self.heard = gate.last
        self.is_jumping = False

    def explain_kick(self, member: ModelMember) -> None:
        """Check that a member is kicked for a reason."""
        assert self.seen is not None
        if not self.is_jumping and self.seen.joins_up(member.cursor):
            self.world.complain(f"a kick in vain at {member.cursor} within {self.seen}")

    # What the bus brings.

    def receive(self, epoch: str, entry: LogEntry) -> None:
        """Take an announcement."""
        if self.is_subscribed:
            self.gate.receive(epoch, entry)

    def deliver(self, entry: LogEntry) -> None:
        """Pass an entry on to the listener and to the lane."""
        epoch = self.gate.epoch
        true = self.world.store.truth.entries[Position(epoch, entry.offset)]
        if true._replace(prev=entry.prev) != entry:
            self.world.complain(f"{entry} is not what was committed")
        if self.heard is None:  # the first read: entries that were announced meanwhile
            is_ahead = self.seen is None or true.prev > self.seen.newest
        else:
            is_ahead = true.prev != self.heard
        if is_ahead:
            self.world.complain(f"the listener gets {true} after {self.heard}")
        self.heard = entry.offset
        for member in tuple(self.lane):
            if member in self.lane:
                member.live(entry)
