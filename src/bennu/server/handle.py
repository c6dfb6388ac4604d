"""What a channel object can do: the other end of the methods of :class:`bennu.channel.Channel`."""

from __future__ import annotations

import asyncio
from typing import Any

from ..channel import ReplyRef
from ..definition import ChannelDefinition
from ..errors import EncodeError, NoRef, NotJoined
from ..message import ERROR, OK, Broadcast, Error, Message, Ok, Reply, expect_event
from ..reasons import Reason
from ..user_code.callback import call_now
from .actor import Actor
from .line import Line
from .owner import Phase

__all__ = ["Handle"]


class Handle(Actor[Line, ChannelDefinition]):
    """The channel object's way to its connection and its topic.

    Attributes:
        join_ref: JC: the client's join_ref, or else the ref of its join.
    """

    __slots__ = ("join_ref",)

    def __init__(
        self, connection: Line, definition: ChannelDefinition, topic: str, join_ref: Any
    ) -> None:
        agent = call_now(definition.name, definition.channel)
        super().__init__(connection, definition, topic, agent)
        self.join_ref = join_ref

    @property
    def label(self) -> str:
        """What it is called in logs."""
        return f"{self.definition.name} on {self.topic!r}"

    def answer(self, message: Message | _ReplyRef, value: Any) -> None:
        """Write what a handler returned as the reply to a message."""
        if not isinstance(value, _RESULTS):
            status, response = OK, value
        elif isinstance(value, Ok):
            status, response = OK, value.response
        elif isinstance(value, Error):
            status, response = ERROR, value.response
        else:
            status, response = value.status, value.response
        connection, ref = self.outbox, message.ref
        try:
            connection.send(
                connection.serializer.reply(self.join_ref, ref, self.topic, status, response)
            )
        except EncodeError:
            if not isinstance(response, bytes) or _carries_binary(connection):
                raise
            self.log.warning(
                "A reply of bytes of %s became an error: %s over %s carries none",
                self.label,
                connection.serializer.name,
                connection.transport,
            )
            unsupported = Reason.BINARY_UNSUPPORTED.payload()
            connection.reply(self.join_ref, ref, self.topic, ERROR, unsupported)

    def may_refuse(self, message: Message | None) -> bool:
        """Whether there is a message that ``raise Refused`` answers."""
        return message is not None

    def push(self, event: str, payload: Any) -> None:
        """Write an event to this client."""
        self.expect_usable("push")
        expect_event(event)
        if self.outbox.server.debug:
            self.definition.check_emitted(event, payload)
        self.push_own(event, payload)

    def push_own(self, event: str, payload: Any) -> None:
        """Write an event that is the framework's own, which no ``emits`` names; nothing after the end."""
        if self.phase is Phase.ENDED:
            return
        connection = self.outbox
        encoded = connection.serializer.push(self.join_ref, self.topic, event, payload)
        if connection.backpressure is None:
            connection.send(encoded)
        else:
            connection.backpressure.push(self, event, payload, encoded)

    async def broadcast(self, event: str, payload: Any, *, include_self: bool) -> None:
        """Send an event to the topic."""
        self.expect_usable("broadcast")
        expect_event(event)
        server = self.outbox.server
        if server.debug:
            self.definition.check_emitted(event, payload)
        message = Broadcast(self.topic, event, payload)
        sender = None if include_self else self
        if server.pubsub.send(self.topic, message, sender):
            await asyncio.sleep(0)  # a loop of broadcasts lets others have their turn

    def ref(self) -> ReplyRef:
        """Return a handle to the message being handled."""
        self.expect_joined("ref")
        if self.message is None or self.message.ref is None:
            raise NoRef(
                "there is no ref to reply to: call self.ref() in a handler of a client's event,"
                " and keep what it returns"
            )
        return _ReplyRef(self, self.message.ref)

    def expect_usable(self, method: str) -> None:
        """Check that the channel has joined, and that the call comes from the endpoint's event loop.

        Raises:
            NotJoined: It has not joined yet, or has ended.
            WrongThread: The call comes from elsewhere.
        """
        if self.phase is not Phase.JOINED:
            self.expect_joined(method)
        self.outbox.server.home.expect("self", method)

    def expect_joined(self, method: str) -> None:
        """Check that the channel can be used.

        Raises:
            NotJoined: It has not joined yet, or has ended.
        """
        if self.phase is Phase.JOINED:
            return
        name = self.definition.name
        if self.phase is Phase.JOINING:
            raise NotJoined(
                f"{name}.{method}(...) was called before the join of {self.topic!r} succeeded:"
                " write it in `async def after_join(self)`"
            )
        raise NotJoined(
            f"{name}.{method}(...) was called after the channel on {self.topic!r} ended"
        )


class _ReplyRef:
    __slots__ = ("_handle", "ref")

    def __init__(self, handle: Handle, ref: Any) -> None:
        self._handle = handle
        self.ref = ref

    async def reply(self, value: Any = None) -> None:
        """Answer the message."""
        handle = self._handle
        handle.outbox.server.home.expect("ref", "reply", "self.sync.reply(ref, ...)")
        self._handle.answer(self, Ok() if value is None else value)


_RESULTS = (Ok, Error, Reply)


def _carries_binary(connection: Line) -> bool:
    """Return whether a client can be sent bytes: both its format and its transport have a say."""
    return connection.serializer.carries_binary and connection.framing.carries_binary
