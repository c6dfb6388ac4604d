"""Confirms a subscription at all servers of a cluster.

Theory of operation
-------------------
A server that has answered a PING has taken the SUB before it. But the other servers of the cluster learn of the
subscription later, over their routes. Between three servers on one host, a message that was published at another server as
soon as the PONG had come was lost in one of four cases after one SUB, and in every second case after 1,000 SUBs. For up to
15 ms such messages were lost, in silence.

The fence closes this window. All nodes of one server listen to one subject as one queue group with the name of the server.
So the server gives each request to one of its nodes. A node that has subscribed then subscribes to a new subject for
answers, and publishes a request. Each server takes the subscriptions of another server in their order. So an answer that was
published at a server reaches the node only when that server knows all earlier subscriptions, and then it also hears what
is published there. With the fence, none of 300 such messages was lost.

A request is repeated. In a cluster this is rarely needed: the request follows the subscriptions over the same route. But a
gateway has one connection for subscriptions and another one for messages, so the request can overtake the subscriptions,
and its answer is dropped. And the server can have given the request to a node that hangs.

A node waits for the servers that have answered before, and for those from which a node has said hello. If a server does not
answer for a second, no node waits for it again until it answers: its nodes have gone, hang, or are cut off.

A node that connects says hello to all, and asks. It waits for as many answers as the server says that the cluster has
servers, at most 0.3 seconds: servers without nodes do not answer. A node that subscribes meanwhile either hears the hello
before it has its answers, and then waits for the new server too, or its subscription is older than the hello, and reaches
the new server before the answer to the new node.

What remains: nodes whose servers learn of each other later than 0.3 seconds (a slow route) or without a word (a leaf node, a
gateway), while these nodes connect; and nodes whose servers are cut off from each other for longer than a second. What they
miss, the sequence of each topic counts.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .connection import NATSConnection

__all__ = ["Fence"]

REPEAT: Final = (0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.3)
"""Seconds between requests. After the last one, a server without an answer is not waited for."""

GREET: Final = (0.05,) * 6
"""Seconds between the greetings of a node that connects, while it waits for the answers of unknown servers."""

MAX_LATE: Final = 16
"""The number of unanswered requests whose answers are still heard: the node that answers too late is known again."""

MANY: Final = 1000
"""The number of servers that a node can know."""

REQUEST, HELLO, ANSWER = b"1", b"2", b"a"
"""The sids of the subscriptions; the last one is the beginning of the sids of all answers."""

_NUMBER: Final = re.compile(rb"[0-9a-f]{1,32}\.[0-9]{1,18}")


@dataclass(slots=True)
class _Question:
    """A request without all its answers.

    Attributes:
        expected: The number of servers that must answer; None: those that are known.
        done: Is set when they have answered.
        answered: The servers that have answered.
    """

    expected: int | None
    done: asyncio.Future[None]
    answered: set[bytes] = field(default_factory=set[bytes])


class Fence:
    """Asks the other servers whether they know of this node's subscriptions.

    Args:
        connection: The connection, which is open.
        prefix: The first tokens of all subjects.
        token: Text that no other connection has.
    """

    def __init__(self, connection: NATSConnection, prefix: str, token: bytes) -> None:
        self._connection = connection
        self._server = connection.info.server_id.encode()
        self._known: set[bytes] = set()
        self._questions: dict[bytes, _Question] = {}
        self._late: deque[bytes] = deque()
        self._numbers = itertools.count()
        self._subjects = f"{prefix}._.".encode()
        self._token = token

    async def start(self) -> None:
        """Subscribe, and say hello."""
        info, subjects = self._connection.info, self._subjects
        self._connection.write(
            b"SUB %bfence %b %b\r\nSUB %bhello %b\r\n"
            % (subjects, self._server, REQUEST, subjects, HELLO)
        )
        await self._connection.ping()
        hello = b"PUB %bhello %d\r\n%b\r\n" % (subjects, len(self._server), self._server)
        urls = info.connect_urls or []
        # A server that announces no others can still have a cluster. One without a cluster can be a leaf node: answers
        # that come later count then too.
        others = (len(urls) - 1 if urls else MANY) if info.cluster else 0
        await self._ask(_Question(others, self._connection.waiter()), hello, GREET)

    async def confirm(self) -> None:
        """Return when each server has taken the subscriptions that were written before."""
        await self._connection.ping()
        if self._known:
            question = _Question(None, self._connection.waiter())
            sid = await self._ask(question, b"", REPEAT)
            if question.done.cancelled():  # some servers have not answered
                self._known &= question.answered
                self._late.append(sid)
                if len(self._late) <= MAX_LATE:
                    return
                sid = self._late.popleft()
            self._connection.write(b"UNSUB %b\r\n" % sid)

    async def _ask(self, question: _Question, before: bytes, pauses: Sequence[float]) -> bytes:
        """Ask, again and again, until the answers have come. Return the sid under which answers come."""
        number = b"%b.%d" % (self._token, next(self._numbers))
        sid = ANSWER + number
        request = before + b"PUB %bfence %d\r\n%b\r\n" % (self._subjects, len(number), number)
        self._connection.write(b"SUB %b%b %b\r\n" % (self._subjects, number, sid))
        self._questions[sid] = question
        try:
            for pause in pauses:
                self._connection.write(request)
                self._end(question)
                await asyncio.wait([question.done], timeout=pause)
                if question.done.done():
                    question.done.result()
                    break
        finally:
            del self._questions[sid]
            question.done.cancel()
        return sid

    def hear(self, sid: bytes, data: bytes) -> None:
        """Take a message of a subscription that is no channel's."""
        if sid == REQUEST and _NUMBER.fullmatch(data):
            size = len(self._server)
            self._connection.write(
                b"PUB %b%b %d\r\n%b\r\n" % (self._subjects, data, size, self._server)
            )
        elif sid == HELLO:
            self._meet(data)
        elif sid.startswith(ANSWER):
            self._meet(data)
            question = self._questions.get(sid)
            if question is not None:
                question.answered.add(data)
                self._end(question)

    def _meet(self, server: bytes) -> None:
        if server != self._server and 0 < len(server) <= 100 and len(self._known) < MANY:
            self._known.add(server)

    def _end(self, question: _Question) -> None:
        others = question.answered - {self._server}
        enough = (
            self._known <= others if question.expected is None else len(others) >= question.expected
        )
        if enough and not question.done.done():
            question.done.set_result(None)
