"""Requests about sessions on other nodes: questions of this node, and answers to other nodes.

The token of a session names its node, so a question goes to that node alone, and its answer comes back to this node. No
node subscribes to anything for a session. A node that is not on the bus has no sessions: its clients begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from ...errors import DecodeError
from ...protocol.longpoll import Status
from ...pubsub import PubSub
from ...pubsub.envelope import POLLS
from .messages import Answer, Ended, Polled, Posted, Progress, Question
from .session import Session
from .tokens import SessionName

__all__ = ["Correspondence"]


class Letter(Struct, array_like=True):
    """What travels: a question or an answer, and the session that it is about."""

    session: str
    content: Question | Answer


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Letter).decode


class Correspondence:
    """The questions and answers of one node.

    Args:
        pubsub: The endpoint's PubSub.
        sessions: The sessions of this node, by name.
    """

    def __init__(self, pubsub: PubSub, sessions: Mapping[str, Session]) -> None:
        self._pubsub = pubsub
        self._sessions = sessions
        self._waiting: dict[str, Callable[[Answer], object]] = {}

    def start(self) -> None:
        """Answer other nodes, from now until the bus stops."""
        self._pubsub.on_publish(POLLS, self._receive)

    def reaches(self, name: SessionName) -> bool:
        """Return whether the node of a session is on the bus."""
        pubsub = self._pubsub
        return name.node != pubsub.node and name.node in pubsub.nodes()

    def expect(self, ref: str, receive: Callable[[Answer], object]) -> None:
        """Pass the answers with a ref to a function, until :meth:`forget`."""
        self._waiting[ref] = receive

    def forget(self, ref: str) -> None:
        """Expect no more answers with a ref."""
        self._waiting.pop(ref, None)

    def ask(self, name: SessionName, question: Question) -> None:
        """Send a question to the node of a session."""
        self._send(name.node, name.topic, question)

    def _send(self, node: str, session: str, content: Question | Answer) -> None:
        self._pubsub.publish(POLLS, _encode(Letter(session, content)), node)

    def _receive(self, node: str, data: bytes) -> None:
        try:
            letter = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(f"expected a letter about a session, got {error}") from error
        topic, content = letter.session, letter.content
        if not isinstance(content, Question):
            receive = self._waiting.get(content.ref)
            if receive is not None:
                receive(content)
            return
        session = self._sessions.get(topic)
        if session is not None:
            session.answer(content, lambda answer: self._send(node, topic, answer))
        elif isinstance(content, Polled):
            self._send(node, topic, Ended(content.ref, b""))
        elif isinstance(content, Posted):
            self._send(node, topic, Progress(content.ref, Status.GONE))
