"""Confirms a subscription at all servers of a cluster.

Theory of operation
-------------------
A server that has answered a PING has taken the SUB before it. But the other servers of the cluster learn of the
subscription later, over their routes. Between three servers on one host, a message that was published at another server as
soon as the PONG had come was lost in one of four cases after one SUB, and in every second case after 1,000 SUBs. For up to
15 ms such messages were lost, in silence.

The fence closes this window. All nodes of one server listen to one subject as one queue group, which has the name of the
server: so the server gives each request to one of its nodes. A node that has subscribed publishes a request, and waits for
one answer from each server. A server sends the subscriptions and messages of one account over one route, in their order. So
the request reaches another server after the subscription, and what is published at that server after the answer is heard.
With the fence, 0 of 300 such messages were lost.

Who must answer: the servers that have answered before, and those from which a node has said hello. A server that does not
answer for :data:`PATIENCE` is not waited for again until it answers: its nodes have gone, hang, or are cut off. A request is
repeated meanwhile, because the server can have given it to a node that hangs.

A node that connects says hello to all, and asks. It waits for as many answers as the server says that the cluster has
servers, at most :data:`GREETING`: servers without nodes do not answer. A node that subscribes meanwhile either hears the
hello before it has its answers, and then waits for the new server too, or its subscription is older than the hello, and
reaches the new server before the answer to the new node.

What remains: nodes whose servers learn of each other later than :data:`GREETING` (a slow route) or without a word (a leaf
node, a gateway), while these nodes connect; and nodes whose servers are cut off from each other for longer than
:data:`PATIENCE`. What they miss, the sequence of each topic counts.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Final

from .connection import NATSConnection

__all__ = ["Fence"]

PATIENCE: Final = 1.0
"""Seconds after which a server without an answer is not waited for."""

REPEAT: Final = 0.25
"""Seconds after which a request is repeated."""

GREETING: Final = 0.3
"""Seconds in which a node that connects waits for the answers of unknown servers."""

GREET_AGAIN: Final = 0.05
"""Seconds after which a greeting is repeated."""

MANY: Final = 1000
"""The number of servers that a node can know."""

REQUEST, HELLO, ANSWER = b"1", b"2", b"3"
"""The sids of the three subscriptions."""


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
        self._numbers = itertools.count()
        self._subjects = f"{prefix}._.".encode()
        self._inbox = self._subjects + token

    async def start(self) -> None:
        """Subscribe, and say hello."""
        info, subjects = self._connection.info, self._subjects
        self._connection.write(
            b"SUB %bfence %b %b\r\nSUB %bhello %b\r\nSUB %b %b\r\n"
            % (subjects, self._server, REQUEST, subjects, HELLO, self._inbox, ANSWER)
        )
        await self._connection.ping()
        hello = b"PUB %bhello %d\r\n%b\r\n" % (subjects, len(self._server), self._server)
        urls = info.connect_urls or []
        # A server that announces no others can still have a cluster. One without a cluster can be a leaf node: answers
        # that come later count then too.
        others = (len(urls) - 1 if urls else MANY) if info.cluster else 0
        await self._ask(others, hello, GREET_AGAIN, GREETING)

    async def confirm(self) -> None:
        """Return when each server has taken the subscriptions that were written before."""
        await self._connection.ping()
        if self._known:
            self._known &= await self._ask(None, b"", REPEAT, PATIENCE)

    async def _ask(
        self, expected: int | None, before: bytes, again: float, most: float
    ) -> set[bytes]:
        """Ask, again and again, until the answers have come. Return the servers that have answered."""
        number = b"%d" % next(self._numbers)
        question = _Question(expected, self._connection.waiter())
        self._questions[number] = question
        request = before + b"PUB %bfence %b %d\r\n%b\r\n" % (
            self._subjects,
            self._inbox,
            len(number),
            number,
        )
        try:
            for _ in range(round(most / again)):
                self._connection.write(request)
                self._end(question)
                await asyncio.wait([question.done], timeout=again)
                if question.done.done():
                    question.done.result()
                    break
        finally:
            del self._questions[number]
            question.done.cancel()
        return question.answered

    def hear(self, sid: bytes, reply: bytes, data: bytes) -> None:
        """Take a message of one of the three subscriptions."""
        # A gateway between clusters puts a prefix before the reply.
        if sid == REQUEST and self._subjects in reply and len(data) < 20:
            answer = b"%b %b" % (data, self._server)
            self._connection.write(b"PUB %b %d\r\n%b\r\n" % (reply, len(answer), answer))
        elif sid == HELLO:
            self._meet(data)
        elif sid == ANSWER:
            number, _, server = data.partition(b" ")
            self._meet(server)
            question = self._questions.get(number)
            if question is not None:
                question.answered.add(server)
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
