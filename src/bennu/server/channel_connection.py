"""A connection on which channels are joined: passes the client's messages to its channels. Protocol document, §2.

Theory of operation
-------------------
The connection handles one frame after another. :meth:`~bennu.protocol.decisions.Memberships.decide` names the row of the
decision table that applies, and a method here acts on it. All rows but one take no time, since a message for a channel
is only put into its mailbox.

The exception is a join. While a join runs, the channel that joins *holds* the connection: reading is paused, and the
idle timer does not run. A channel also holds the connection if a duplicate join replaces it, until the channel has
ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import DecodeError, EncodeError
from ..logs.context import running
from ..message import (
    BINARY,
    ERROR,
    EXPIRING,
    NEW_TOKEN,
    OK,
    PHOENIX,
    PHX_JOIN,
    TEXT,
    Message,
    Opcode,
    bytes_of,
)
from ..protocol.decisions import DELIVER, Decision, Membership, Memberships
from ..protocol.encoding import check_values
from ..reasons import CloseCode, DropReason, Limit, Reason
from ..socket import Socket
from ..telemetry import ReplySent
from .channel_server import ChannelServer
from .channel_telemetry import report_replied
from .connection import ServerConnection
from .expiry import Expiry, RenewableExpiry
from .joining import CRASHED
from .running import AboutConnection
from .short_parts import expect_short, expect_short_ref

if TYPE_CHECKING:
    from ..protocol import Serializer
    from ..pubsub import Subscription
    from .handshake import Accepted
    from .server import Server
    from .transport import Transport

__all__ = ["ChannelConnection"]


MOST_OF_A_CHARACTER: Final = 4
"""The most bytes of a character."""

UNJOINED: Final = "*"
"""The topic under which refused messages are counted if the client has not joined their topic."""

UNMATCHED = Reason.UNMATCHED_TOPIC.payload()


class ChannelConnection(ServerConnection[Socket[Any]]):
    """An open connection on which channels are joined.

    Attributes:
        unchecked: The most bytes of a message whose ref and values are not checked: they are too short to exceed a limit.
            -1 while the inspector sees the messages.
        serializer: The serializer of the client's version.
    """

    __slots__ = ("_close_after", "_holder", "_memberships", "_running", "serializer", "unchecked")

    def __init__(
        self, server: Server, accepted: Accepted[Socket[Any]], transport: Transport
    ) -> None:
        self.serializer = cast("Serializer", accepted.serializer)  # the handshake chose one
        self._memberships: Memberships[ChannelServer] = Memberships()
        self._holder: ChannelServer | Message | None = None
        self._close_after: Membership[ChannelServer] | None = None
        self._running = 0  # channels that run
        self.unchecked = min(accepted.socket.max_ref_size, accepted.socket.max_values)
        super().__init__(server, accepted, transport)

    def _make_expiry(self) -> Expiry | Subscription | None:
        refresher = self.socket.refresher
        return super()._make_expiry() if refresher is None else RenewableExpiry(self, refresher)

    def show_received(self, *, is_on: bool) -> None:
        """Show each message of the client to the inspector: then none is too short to be checked."""
        socket = self.socket
        self.unchecked = -1 if is_on else min(socket.max_ref_size, socket.max_values)

    # Methods for the transport.

    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Handle one message of the client.

        Args:
            opcode: TEXT or BINARY.
            data: The message; text is valid UTF-8.
        """
        size = len(data)
        if self.tally is not None:
            self.tally.received(size)
        limiter = self.limiter
        if limiter is not None:
            limiter.received(size)
        try:
            if size <= self.unchecked:
                message = self.serializer.decode(opcode, data)
            else:
                message = self._decode_long(opcode, data)
        except DecodeError as error:
            with running(AboutConnection(self)):
                self.server.log.warning(
                    "Closing a connection that sent an undecodable frame: %s", error
                )
            self.close(CloseCode.UNDECODABLE, reason=error)
            return
        try:
            decision, membership = self._memberships.decide(message)
            if limiter is not None and (wait := limiter.take(decision, membership, message)):
                self._refuse(membership, message, wait)
            elif decision is DELIVER and membership is not None:
                if size <= self.small:
                    membership.channel.deliver(message)
                else:
                    membership.channel.deliver_large(message, size)
            else:
                _ACTIONS[decision](self, message)
        except Exception as error:
            with running(AboutConnection(self)):
                self.server.log.exception(
                    "Closing a connection because of an internal error of the server"
                )
            self.close(CloseCode.INTERNAL_ERROR, reason=error)

    def _decode_long(self, opcode: Opcode, data: bytes) -> Message:
        """Decode a message that is long enough to exceed a limit of its parts.

        Raises:
            DecodeError: The text is no message, or a part of the message is too long.
        """
        if self.unchecked < 0:
            self.server.inspector.received(self, opcode, data)
        socket = self.socket
        if len(data) > socket.max_values and (opcode is TEXT or not self.serializer.carries_binary):
            check_values(data, socket.max_values)
        message = self.serializer.decode(opcode, data)
        join_ref, ref, longest = message.join_ref, message.ref, socket.max_ref_size
        if type(join_ref) is str and len(join_ref) * MOST_OF_A_CHARACTER > longest:
            expect_short_ref(join_ref, longest)
        if type(ref) is str and len(ref) * MOST_OF_A_CHARACTER > longest:
            expect_short_ref(ref, longest)
        if type(message.topic) is not str or type(message.event) is not str:
            expect_short("topic", message.topic, socket.max_topic_size)
            expect_short("event", message.event, socket.max_event_size)
        return message

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Count a ping or pong, if messages have a rate."""
        if self.limiter is not None:
            self.limiter.take_control()

    def ended(self, reason: str | Exception) -> None:
        """End every channel with this reason."""
        if isinstance(self._holder, ChannelServer):
            self._holder.end(reason)
        for membership in tuple(self._memberships.values()):
            membership.channel.end(reason)

    def put_info(self, message: Any) -> None:
        """Queue a message of the server for the channels that have an ``@on_info`` for it."""
        for membership in tuple(self._memberships.values()):
            if membership.channel.definition.info_handler(message) is not None:
                membership.channel.put_info(message)

    def members(self) -> list[ChannelServer]:
        """Return the channels that are joined."""
        return [membership.channel for membership in self._memberships.values()]

    @property
    def is_held(self) -> bool:
        """Whether the server itself does not read, because of a join or of a rate."""
        return self._holder is not None or (self.limiter is not None and self.limiter.is_paused)

    # Rows of the decision table.

    def _heartbeat(self, message: Message) -> None:
        self.reply(None, message.ref, PHOENIX, OK, {})

    def _join(self, message: Message) -> None:
        topic = message.topic
        longest = self.socket.max_topic_size
        is_text = type(topic) is str
        is_short = is_text and len(topic) * MOST_OF_A_CHARACTER <= longest
        if not is_short and bytes_of(topic) > longest:
            response = Reason.TOO_LONG.payload(max_bytes=longest)
            self.reply(message.join_ref, message.ref, topic, ERROR, response)
            return
        found = self.socket.table.resolve(topic) if is_text else None
        if found is None:
            self.server.log.warning(
                "Ignoring unmatched topic %r in a join: the socket's channels are %s",
                topic,
                [row.pattern.text for row in self.socket.table.rows],
            )
            self.reply(None, message.ref, topic, ERROR, UNMATCHED)
            self._write_close_after()
            return
        if self._running >= self.socket.max_channels:
            self.server.telemetry.limit_exceeded(
                Limit.CHANNELS, self.info.peer.host, topic, message.event
            )
            response = Reason.TOO_MANY_CHANNELS.payload()
            self.reply(message.join_ref, message.ref, topic, ERROR, response)
            return
        definition, parameters = found
        tracer = self.server.tracer
        make = ChannelServer if tracer is None or not self.socket.log else tracer.channel_server
        try:
            joining = make(self, definition, message, parameters)
        except Exception:
            self.server.log.exception("A channel for %r could not be made", topic)
            self.not_joined(message, CRASHED)
            return
        self._running += 1
        self._holder = joining
        self.pause_reading()
        joining.begin(message)

    def _rejoin(self, message: Message) -> None:
        """Handle a duplicate join: the old channel ends first. A leave that waits is handled before the join."""
        membership = self._memberships[message.topic]
        old = membership.channel
        self._holder = message
        self.pause_reading()
        if not membership.leaving:
            self.server.log.debug(
                "Duplicate join of %r: the channel joined before ends", message.topic
            )
            old.replace()
        old.task.when_done(lambda: self._replace(message, membership))

    def _replace(self, message: Message, old: Membership[ChannelServer]) -> None:
        self._holder = None
        if self.is_lost:
            return
        if self._memberships.remove(old.topic, old.channel) is not None:
            # The client reads phx_close after the reply to its new join (protocol, §2.10).
            self._close_after = old
        self._join(message)
        self.resume_reading()

    def _leave(self, message: Message) -> None:
        membership = self._memberships[message.topic]
        if not membership.leaving:  # a second leave has no effect
            membership.leaving = True
            membership.channel.leave(message.without_payload())

    def _stale(self, message: Message) -> None:
        """Ignore a message to an earlier channel of the topic."""

    def _left_already(self, message: Message) -> None:
        self.reply(message.join_ref, message.ref, message.topic, OK, {})

    def _unmatched(self, message: Message) -> None:
        expiry = self.expiry
        is_token = (message.topic, message.event) == (PHOENIX, NEW_TOKEN)
        if is_token and isinstance(expiry, RenewableExpiry):
            expiry.take(message)
        else:
            self.reply(None, message.ref, message.topic, ERROR, UNMATCHED)

    def _refuse(
        self, membership: Membership[ChannelServer] | None, message: Message, wait: float
    ) -> None:
        """Answer a message that exceeds a rate; a message without a ref is counted as dropped.

        Args:
            membership: The channel that the message is for, if that is joined.
            message: The message.
            wait: Seconds after which the client can try again.
        """
        if self.is_lost:  # the limiter has closed the connection
            return
        if message.ref is None:
            topic = UNJOINED if membership is None else membership.topic
            self.server.telemetry.dropped(topic, DropReason.RATE_LIMITED)
            return
        join_ref = message.join_ref
        if membership is not None and message.event != PHX_JOIN:
            join_ref = membership.channel.join_ref
        response = Reason.RATE_LIMITED.payload(retry_after_ms=math.ceil(wait * 1000))
        self.reply(join_ref, message.ref, message.topic, ERROR, response)

    # Methods for channels.

    def joined(self, channel: ChannelServer, message: Message, response: Any) -> None:
        """Add a channel whose join succeeded, and answer. A client that has the reply gets the topic's broadcasts.

        Raises:
            EncodeError: The response can't be encoded. The channel is not added.
        """
        encoded = self.serializer.reply(message.join_ref, message.ref, message.topic, OK, response)
        if encoded[0] is BINARY:
            self.framing.frame(*encoded)  # raises if the transport can't carry bytes
        self._memberships.add(message.topic, message.join_ref, channel)
        channel.accepted()
        if self.backpressure is not None:
            self.backpressure.begin_queueing()
        self.send(encoded, OK)
        report_replied(self, message.topic, message.ref, OK, len(encoded[1]))
        if self._close_after is not None:
            self._write_close_after()

    def not_joined(self, message: Message, response: Any) -> None:
        """Answer a join that was refused or crashed. A refusal that can't be encoded is a crash."""
        if self.is_lost:
            return
        try:
            self.reply(message.join_ref, message.ref, message.topic, ERROR, response)
        except EncodeError:
            self.server.log.exception(
                "The join of %r was refused with a value that can't be sent", message.topic
            )
            self.reply(message.join_ref, message.ref, message.topic, ERROR, CRASHED)
        self._write_close_after()

    def closed(self, channel: ChannelServer, leave: Message | None) -> None:
        """Answer the client's leave, write ``phx_close``, and free the topic."""
        membership = self._memberships.remove(channel.topic, channel)
        if membership is not None and not self.is_lost:
            if leave is not None:
                self.reply(channel.join_ref, leave.ref, channel.topic, OK, {})
            self.send(self.serializer.close(membership.join_ref, membership.topic))

    def crashed(self, channel: ChannelServer) -> None:
        """Write ``phx_error``, so that the client joins again, and free the topic."""
        membership = self._memberships.remove(channel.topic, channel)
        if membership is not None and not self.is_lost:
            self.send(self.serializer.error(membership.join_ref, membership.topic))

    def over(self) -> None:
        """Subtract a channel that has ended from the running channels."""
        self._running -= 1

    def release(self, channel: ChannelServer) -> None:
        """Read again, if this channel holds the connection."""
        if self._holder is channel:
            self._holder = None
            self.resume_reading()

    # Writing.

    def push_expiring(self, milliseconds: int) -> None:
        """Push ``token_expiring`` to the client, with the time that is left."""
        payload = {"expires_in_ms": milliseconds}
        self.send(self.serializer.push(None, PHOENIX, EXPIRING, payload))

    def reply(self, join_ref: Any, ref: Any, topic: Any, status: str, response: Any) -> None:
        """Write a reply. This repeats the code of :meth:`send` for speed: most messages of a server are replies."""
        encoded = self.serializer.reply(join_ref, ref, topic, status, response)
        batch = self._batch
        if batch.entries:
            batch.sync(self)
        frame = self._frame(*encoded)
        if self.tally is not None:
            self.tally.replied(status, frame)
        self.write(frame)
        if self.server.telemetry.handlers[ReplySent]:
            report_replied(self, topic, ref, status, len(encoded[1]))

    def _write_close_after(self) -> None:
        if self._close_after is not None:
            old, self._close_after = self._close_after, None
            self.send(self.serializer.close(old.join_ref, old.topic))


_ACTIONS: dict[Decision, Callable[[ChannelConnection, Message], None]] = {
    Decision.HEARTBEAT: ChannelConnection._heartbeat,
    Decision.JOIN: ChannelConnection._join,
    Decision.REJOIN: ChannelConnection._rejoin,
    Decision.LEAVE: ChannelConnection._leave,
    Decision.STALE: ChannelConnection._stale,
    Decision.LEFT_ALREADY: ChannelConnection._left_already,
    Decision.UNMATCHED: ChannelConnection._unmatched,
}
