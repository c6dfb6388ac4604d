"""The gate of one topic on one node: it passes entries on without a hole, a repeat or a wrong order. Pure.

Theory of operation
-------------------
All nodes append to one log. Each node hears of new entries by announcements, which can be lost, late, doubled or in a
wrong order. The gate keeps ``last``, the offset of the entry that it has passed on last, and passes on only the entry
that *follows*: its ``prev`` is ``last``. An entry that does not follow waits in ``pending``, and the gate asks for a read
of the store. So all members of a node get all entries in the order of the log.

**Reads.** The caller asks :meth:`Gate.next_read`, reads the store, and calls :meth:`Gate.answer` or :meth:`Gate.failed`. One
read is under way at a time. It serves everybody at once: the gate, members that join, members that catch up. A member
takes part in a read that *starts* after it has joined, so the answer is newer than the join. A stampede of joins costs
two reads.

**Turns.** A read begins at the lowest offset that somebody needs. If its page is cut, it may not have reached the others.
Then the next read begins where the gate stands, if the gate is behind; else where the member stands that has waited
longest. Members that stand lower wait for another read. So members that are far behind can't make others wait for ever.

**A page is a part.** A read returns the oldest entries above the lowest offset that somebody needs, up to a limit. Behind
it may be more. What the gate has passed on meanwhile is in ``tail``, so page and tail make a *run*: entries of which each
follows the one before. The run of a page that is not cut ends at ``last``. A position can be recovered if it is ``last``,
or if an entry of the run follows it (:func:`~bennu.history.run.judge`). With a page that is cut, the answer can be
uncertain; then the member waits for its turn: a read that begins at its own position is certain.

**A new start.** A client that can't recover, or has no position, often gets a state from the user's ``join``. So it starts
where the log stood before ``join`` ran (``stood_at``). An entry can be in the state and come again, but none is in neither.

**Catching up.** A member with a queue is not in the lane. Its queue is written as fast as the client reads it. When it is
empty, the member goes live, if its cursor is ``last``. Otherwise it goes on with the tail, or with the next read. A slow
client leaves the lane (:meth:`Gate.detach`) and catches up later, so for it nothing is dropped and little is held.

**A kick.** If entries that a member needs are no longer there, going on would be a hole. Then the member is kicked: its
client joins again, with its position, and is told what it has missed. If the epoch has changed, all positioned members are
kicked. Plain members are not: nothing was promised to them, and a join would bring nothing back.

``tests/history/explorer.py`` explores this class with a store and a bus that fail in all ways, and finds deliberate mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..store.entry import LogEntry
from ..store.store import Head, Page
from ..telemetry.accounts import Account
from .answer import NotRecovered, RecoveryAnswer
from .member import HistoryMember, MemberState
from .pending import PendingEntries
from .position import MAX_OFFSET, Position
from .run import Bounds, ReadRequest, Run, Tail, following, judge

__all__ = ["Gate"]

MIN_PAGE: Final = 100
"""The fewest entries that a read asks for: with less, a gate that is behind would need too many reads."""

MIN_PAGE_BYTES: Final = 64 * 1024
"""The same in bytes of payloads."""


class Gate:
    """What one node has passed on of one topic.

    Args:
        deliver: Called with each entry that is passed on, in the order of the log: writes it to all live members.
        bounds: How much a client can get of what it has missed.
        account: Counts what becomes of the entries for members that catch up. Default: a new one.

    Attributes:
        account: As given.
        epoch: The epoch of the log; "" before the first read.
        last: The offset of the entry that was passed on last.
        wants_read: Whether somebody waits for a read.
        kicks: How often members were kicked.
    """

    __slots__ = (
        "_bounds",
        "_catching_up",
        "_cut_at",
        "_deliver",
        "_members",
        "_pending",
        "_readers",
        "_request",
        "_tail",
        "_waiting",
        "account",
        "epoch",
        "kicks",
        "last",
        "passed",
        "wants_read",
    )

    def __init__(
        self, deliver: Callable[[LogEntry], object], bounds: Bounds, account: Account | None = None
    ) -> None:
        self.account = Account() if account is None else account
        self.passed = 0  # entries
        self._deliver = deliver
        self._bounds = bounds
        self.epoch: str = ""
        self.last = 0
        self.kicks = 0
        self.wants_read = True  # the first read opens the gate
        self._pending = PendingEntries()
        self._tail = Tail()
        self._waiting: dict[HistoryMember, None] = {}  # for a read; the first has waited longest
        self._readers: list[HistoryMember] = []  # those of them that the read under way is for
        self._cut_at: int | None = None  # the newest offset of the last page, if that page was cut
        self._request: ReadRequest | None = None
        self._members: dict[HistoryMember, None] = {}  # positioned members that have joined
        self._catching_up: set[HistoryMember] = set()

    @property
    def has_gap(self) -> bool:
        """Whether an entry waits for an earlier one, which can still come by itself."""
        return bool(self._pending.entries)

    # Members.

    def join(self, member: HistoryMember) -> None:
        """Take a member that joins. It is answered after the next read: ``accept`` or ``refuse``."""
        asked = member.asked
        if asked is not None and asked.position is None:
            self._start_anew(member, NotRecovered.NEW if asked.is_valid else NotRecovered.INVALID)
        self._wait(member)

    def refuse(self, member: HistoryMember) -> None:
        """Refuse a member that joins while the store is down."""
        self._waiting.pop(member, None)
        member.state = MemberState.GONE
        member.refuse()

    def leave(self, member: HistoryMember) -> None:
        """Forget a member that has ended."""
        if member.state is MemberState.CATCHING_UP:
            self.account.cut_off(self.passed - member.due_from - member.done)
        member.state = MemberState.GONE
        member.queue.clear()
        self._waiting.pop(member, None)
        self._members.pop(member, None)
        self._catching_up.discard(member)
        self._trim_tail()

    def detach(self, member: HistoryMember, first: LogEntry | None = None) -> None:
        """Note that a live member has left the lane, because its client is slow, or because a handler gets the next entry.

        Args:
            member: A live, positioned member. The caller has taken it out of its lane.
            first: The entry that is being passed on, which this member gets by itself; None if it has got all entries.
        """
        self._begin_catching_up(member)
        if first is None:
            member.cursor = self.last
        else:
            member.cursor = member.due_after = first.prev
            member.queue.append(first)
            member.due_from -= 1
            self.account.fell_behind(1)

    def _begin_catching_up(self, member: HistoryMember) -> None:
        member.state = MemberState.CATCHING_UP
        self._catching_up.add(member)
        member.due_after, member.due_from, member.done = self.last, self.passed, 0

    def settle(self, member: HistoryMember) -> bool:
        """Decide how a member that catches up, and whose queue is empty, goes on.

        Returns:
            Whether its queue has entries again.
        """
        if member.cursor == self.last:
            self._waiting.pop(member, None)
            self._catching_up.discard(member)
            member.state = MemberState.LIVE
            member.go_live()
            self._trim_tail()
            return False
        member.queue.extend(following(tuple(self._tail.entries), member.cursor))
        if not member.queue:
            self._wait(member)
        return bool(member.queue)

    def _wait(self, member: HistoryMember) -> None:
        self._waiting.setdefault(member)  # a member that waits already keeps its place
        self.wants_read = True

    @property
    def _is_busy(self) -> bool:
        return bool(self._waiting or self._catching_up)

    # Announcements.

    def receive(self, epoch: str, entry: LogEntry) -> None:
        """Take an entry that was announced: in its turn, late, early or doubled.

        Args:
            epoch: The epoch of the log.
            entry: The entry.
        """
        if epoch != self.epoch:
            self.wants_read = True  # the read decides which epoch it is
            if not self.epoch:
                self._pending.keep(epoch, entry)
        elif entry.prev == self.last:
            self._pass_on(entry)
            if self._pending.entries:
                self._drain()
        elif entry.offset > self.last and not self._pending.keep(epoch, entry):
            self.wants_read = True

    def compare(self, head: Head | None) -> None:
        """Take where the log stands: this finds a last entry whose announcement was lost.

        Args:
            head: The head; None if the store knows nothing of the topic.
        """
        if head is None or head.epoch != self.epoch or head.newest > self.last:
            self.wants_read = True

    def _drain(self) -> None:
        """Pass on what follows now."""
        while (entry := self._pending.take(self.last)) is not None:
            self._pass_on(entry)

    def _pass_on(self, entry: LogEntry) -> None:
        self.last = entry.offset
        self.passed += 1
        if self._waiting or self._catching_up:
            self.account.fell_behind(len(self._catching_up))
            self._tail.append(entry)
        self._deliver(entry)

    def _trim_tail(self) -> None:
        if self._tail.entries and not self._is_busy:
            self._tail.clear()

    # Reads.

    def next_read(self) -> ReadRequest | None:
        """Begin a read, if somebody needs one and none is under way. Return what to ask for."""
        if self._request is not None or not (self.wants_read or self._pending.entries):
            return None
        self.wants_read = False
        self._pending.mark()
        after = self._begin()
        self._readers = [one for one in self._waiting if self._need(one, after) >= after]
        entries, size = self._bounds
        # If clients ask for too much, each from another place, a double page proves it for those in its first half.
        pages = 1 + (sum(self._need(one, MAX_OFFSET) < MAX_OFFSET for one in self._readers) > 1)
        limit, max_bytes = pages * entries + 1, pages * size + 1
        self._request = ReadRequest(after, max(limit, MIN_PAGE), max(max_bytes, MIN_PAGE_BYTES))
        return self._request

    def _begin(self) -> int:
        """Return the offset after which the next read begins."""
        if self._cut_at is not None and self._cut_at > self.last:
            return self.last
        needs = [self._need(one, MAX_OFFSET) for one in self._waiting]
        if self._cut_at is not None:
            del needs[1:]
        if self.epoch:
            needs.append(self.last)
        return min(needs, default=MAX_OFFSET)

    def _need(self, member: HistoryMember, default: int) -> int:
        """Return the offset after which a read must begin to serve a member, or the default if any read will do."""
        if member.state is MemberState.CATCHING_UP:
            return member.cursor
        position = None if member.asked is None else member.asked.position
        if position is None or self.epoch not in ("", position.epoch):
            return default
        return position.offset

    def failed(self) -> None:
        """Take the news that the store does not answer. Members that catch up wait for the next read."""
        for member in self._end_read():
            if member.state is MemberState.JOINING:
                self.refuse(member)
        self.wants_read = True
        self._trim_tail()

    def answer(self, page: Page) -> None:
        """Take the answer of the store to the read that is under way."""
        request = self._request
        if request is None:
            raise AssertionError("an answer without a read")
        self._absorb(page)
        self._cut_at = page.newest if page.is_cut else None
        run = Run.of(request.after, page, self._tail.entries, self.last)
        for member in self._end_read():
            if member.state is MemberState.JOINING:
                self._decide(member, run)
            elif member.state is MemberState.CATCHING_UP:
                self._refill(member, run)
        if self._waiting:
            self.wants_read = True
        self._trim_tail()

    def _end_read(self) -> Sequence[HistoryMember]:
        self._request = None
        readers, self._readers = self._readers, []
        return readers

    def _absorb(self, page: Page) -> None:
        """Pass on what the page has above ``last``."""
        if not self.epoch:
            self.epoch = page.epoch
            # Entries that were announced while the first read ran are for members that were there before.
            self.last = self._pending.start(page.epoch, page.newest)
        elif page.epoch != self.epoch or not self._follow(page):
            self._kick_all()
            self.epoch, self.last = page.epoch, page.newest
        if self._pending.entries:
            if self._pending.only(self.epoch, self.last):
                self.wants_read = True
            self._drain()
            if not page.is_cut:
                self._pending.drop_early()

    def _follow(self, page: Page) -> bool:
        """Pass on the entries of a page of the same epoch. Return whether there is no hole."""
        for entry in page.entries:
            if entry.offset > self.last:
                if entry.prev != self.last:
                    return False
                self._pass_on(entry)
        if page.is_cut and page.newest > self.last:
            self.wants_read = True  # the next page has the rest
        return page.is_cut or page.newest <= self.last

    # Decisions.

    def _decide(self, member: HistoryMember, run: Run) -> None:
        """Answer a join. A join that the run does not decide goes on waiting."""
        if member.floor is not None and self.last < run.newest:
            return  # what the gate has still to pass on can be from before the floor
        asked = member.asked_in(self.epoch)
        if asked is None:
            self._accept(member, None)
            return
        verdict = judge(asked, member.floor, self.epoch, self.last, run, self._bounds)
        if verdict is None:
            return
        missed, entries = verdict
        if missed is not None and member.missed is None:
            self._start_anew(member, missed)
            self._decide(member, run)
            return
        position = asked.position
        start = self.last if position is None or missed is not None else position.offset
        answer = RecoveryAnswer(Position(self.epoch, start), len(entries), member.missed)
        if self._accept(member, answer):
            self._members[member] = None
            self._begin_catching_up(member)
            member.cursor = start
            member.queue.extend(entries)
            member.catch_up()

    def _start_anew(self, member: HistoryMember, missed: NotRecovered) -> None:
        member.start_anew(missed)
        if missed is not NotRecovered.NEW:
            self.account.missed[missed.text] += 1

    def _accept(self, member: HistoryMember, answer: RecoveryAnswer | None) -> bool:
        """Let a member answer its join. A plain one is live at once."""
        del self._waiting[member]
        if not member.accept(answer):
            member.state = MemberState.GONE
        if member.state is MemberState.GONE:  # the reply can end the connection
            return False
        if answer is None:
            member.state = MemberState.LIVE
            member.go_live()
        return True

    def _refill(self, member: HistoryMember, run: Run) -> None:
        """Give a member that catches up what follows its cursor."""
        if not member.queue:  # else the tail has had what it needs
            member.queue.extend(run.following(member.cursor))
        if member.queue or member.cursor == self.last:
            self._waiting.pop(member, None)
        elif run.covers(member.cursor):
            self._kick(member)  # what it needs was trimmed
            return
        member.catch_up()

    def _kick(self, member: HistoryMember) -> None:
        self.kicks += 1
        self.leave(member)
        member.kick()

    def _kick_all(self) -> None:
        """Kick all positioned members, because the log is another one, or has a hole."""
        for member in tuple(self._members):
            self._kick(member)
        self._tail.clear()
