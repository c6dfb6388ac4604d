"""One client's connection: it turns messages into what its channels do. Protocol document, §2.

Theory of operation
-------------------
The transport below brings frames, one after another. Each is handled to its end before the next:
:class:`~bennu.protocol.decisions.Session` says which row of the decision table applies, and a method
here acts on it. All but one end at once, since a channel only gets the message into its inbox.

The one that does not is a join. While it runs, the connection is *held* by the channel that joins: the
transport brings nothing, the idle timer stands still. The same holds while the channel that a duplicate
join replaces comes to its end, and (then the timer goes on) while a channel's inbox is full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from ..definition import ChannelDefinition
from ..errors import DecodeError, EncodeError
from ..message import (
    BINARY,
    ERROR,
    EXPIRING,
    NEW_TOKEN,
    OK,
    PHOENIX,
    TEXT,
    Message,
    Opcode,
    bytes_of,
)
from ..protocol import Serializer
from ..protocol.decisions import DELIVER, Decision, Membership, Session
from ..protocol.encoding import check_values, encode_json
from ..reasons import CloseCode, Limit, Reason
from ..socket import Socket
from .accepted import Accepted
from .channel_server import ChannelServer
from .expiry import Ending
from .joining import CRASHED
from .link import Link
from .refresh import RenewableLease
from .server import Server
from .transport import Transport

__all__ = ["Connection"]


MOST_OF_A_CHARACTER: Final = 4
"""Bytes that a character may take."""

UNMATCHED = Reason.UNMATCHED_TOPIC.payload()


class Connection(Link[Socket[Any]]):
    """An open connection on which channels are joined."""

    __slots__ = ("_close_after", "_holder", "_living", "_session", "plain", "serializer")

    def __init__(self, server: Server, accepted: Accepted[Socket[Any]], wire: Transport) -> None:
        self.serializer = cast("Serializer", accepted.serializer)  # the handshake chose one
        self._session: Session[ChannelServer] = Session()
        self._holder: ChannelServer | Message | None = None
        self._close_after: Membership[ChannelServer] | None = None
        self._living = 0
        super().__init__(server, accepted, wire)
        self.plain = min(accepted.socket.max_ref_size, accepted.socket.max_values)

    def _bind(self) -> Ending | None:
        refresher = self.socket.refresher
        return super()._bind() if refresher is None else RenewableLease(self, refresher)

    # What the transport tells us.

    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Handle one message of the client. Text is valid UTF-8 by now."""
        size = len(data)
        try:
            if size <= self.plain:
                message = self.serializer.decode(opcode, data)
            else:
                message = self.decode_long(opcode, data)
        except DecodeError as error:
            self.undecodable(error)
            return
        try:
            decision, membership = self._session.decide(message)
            if decision is DELIVER and membership is not None:
                if size <= self.light:
                    membership.channel.deliver(message)
                else:
                    membership.channel.deliver_heavy(message, size)
            else:
                _ACTIONS[decision](self, message)
        except Exception as error:  # noqa: BLE001 - logged there
            self.failed(error)

    def decode_long(self, opcode: Opcode, data: bytes) -> Message:
        """Decode a message that is long enough to exceed a limit of its parts.

        Raises:
            DecodeError: It is no message, or holds too much.
        """
        socket = self.socket
        if len(data) > socket.max_values and (opcode is TEXT or not self.serializer.carries_binary):
            check_values(data, socket.max_values)
        message = self.serializer.decode(opcode, data)
        join_ref, ref, longest = message.join_ref, message.ref, socket.max_ref_size
        if type(join_ref) is str and len(join_ref) * MOST_OF_A_CHARACTER > longest:
            _expect_short_ref(join_ref, longest)
        if type(ref) is str and len(ref) * MOST_OF_A_CHARACTER > longest:
            _expect_short_ref(ref, longest)
        if type(message.topic) is not str or type(message.event) is not str:
            _expect_short("topic", message.topic, socket.max_topic_size)
            _expect_short("event", message.event, socket.max_event_size)
        return message

    def act(
        self,
        decision: Decision,
        membership: Membership[ChannelServer] | None,
        message: Message,
        size: int,
    ) -> None:
        """Do what a message of so many bytes means: for who wants to know before; others do it themselves."""
        if decision is DELIVER and membership is not None:
            if size <= self.light:
                membership.channel.deliver(message)
            else:
                membership.channel.deliver_heavy(message, size)
        else:
            _ACTIONS[decision](self, message)

    def undecodable(self, error: DecodeError) -> None:
        """Close because of what is no message."""
        self.server.log.warning("Closing a connection that sent an undecodable frame: %s", error)
        self.close(CloseCode.UNDECODABLE, reason=error)

    def failed(self, error: Exception) -> None:
        """Close because of an exception of ours."""
        self.server.log.error(
            "Closing a connection because of an error of the server's own", exc_info=error
        )
        self.close(CloseCode.INTERNAL_ERROR, reason=error)

    def ended(self, reason: str | Exception) -> None:
        """End every channel for this reason."""
        if isinstance(self._holder, ChannelServer):
            self._holder.end(reason)
        for membership in tuple(self._session.topics.values()):
            membership.channel.end(reason)

    def tell(self, message: Any) -> None:
        """Pass news of the server's own on to the channels that have an ``@on_info`` for it."""
        for membership in tuple(self._session.topics.values()):
            if membership.channel.definition.info_handler(message) is not None:
                membership.channel.put_info(message)

    def members(self) -> list[ChannelServer]:
        """Return the channels that are joined."""
        return [membership.channel for membership in self._session.topics.values()]

    @property
    def is_held(self) -> bool:
        """Whether a join is under way."""
        return self._holder is not None

    # What a message means.

    def _heartbeat(self, message: Message) -> None:
        self.reply(None, message.ref, PHOENIX, OK, {})

    def _join(self, message: Message) -> None:
        topic = message.topic
        longest = self.socket.max_topic_size
        if bytes_of(topic) > longest:
            response = Reason.TOO_LONG.payload(max_bytes=longest)
            self.reply(message.join_ref, message.ref, topic, ERROR, response)
            return
        found = self.socket.table.resolve(topic) if isinstance(topic, str) else None
        if found is None:
            self.server.log.warning(
                "Ignoring unmatched topic %r in a join: the socket's channels are %s",
                topic,
                [row.pattern.text for row in self.socket.table.rows],
            )
            self.reply(None, message.ref, topic, ERROR, UNMATCHED)
            self._write_close_after()
            return
        if self._living >= self.socket.max_channels:
            self.server.excesses.note(Limit.CHANNELS, self.info.peer.host, topic, message.event)
            self.reply(
                message.join_ref,
                message.ref,
                topic,
                ERROR,
                Reason.TOO_MANY_CHANNELS.payload(),
            )
            return
        definition, parameters = found
        self._begin(message, definition, parameters)

    def _begin(
        self, message: Message, definition: ChannelDefinition, parameters: dict[str, Any]
    ) -> None:
        try:
            joining = ChannelServer(self, definition, message, parameters)
        except Exception:
            self.server.log.exception("A channel for %r could not be made", message.topic)
            self.not_joined(message, CRASHED)
            return
        self._living += 1
        self._hold(joining)
        joining.begin(message)

    def _rejoin(self, message: Message) -> None:
        """Handle a duplicate join: the old channel ends first; a leave under way is let through."""
        membership = self._session.topics[message.topic]
        old = membership.channel
        self._hold(message)
        if not membership.leaving:
            self.server.log.debug(
                "Duplicate join of %r: the channel joined before ends", message.topic
            )
            old.kill()
        old.when_done(lambda: self._replace(message, membership))

    def _replace(self, message: Message, old: Membership[ChannelServer]) -> None:
        self._holder = None
        if self.is_lost:
            return
        if self._session.remove(old.topic, old.channel) is not None:
            # The client reads phx_close after the reply to its new join (protocol, §2.10).
            self._close_after = old
        self._join(message)
        self._resume()

    def _leave(self, message: Message) -> None:
        membership = self._session.topics[message.topic]
        if not membership.leaving:  # a second leave would say nothing new, and waits nowhere
            membership.leaving = True
            membership.channel.leave(message.without_payload())

    def _stale(self, message: Message) -> None:
        """Ignore what was meant for an earlier incarnation of the channel."""

    def _left_already(self, message: Message) -> None:
        self.reply(message.join_ref, message.ref, message.topic, OK, {})

    def _unmatched(self, message: Message) -> None:
        lease = self._ending
        if isinstance(lease, RenewableLease) and (message.topic, message.event) == (
            PHOENIX,
            NEW_TOKEN,
        ):
            lease.take(message)
            return
        self.reply(None, message.ref, message.topic, ERROR, UNMATCHED)

    # What the channels tell us.

    def joined(self, channel: ChannelServer, message: Message, response: Any) -> None:
        """Enter a channel whose join succeeded, and answer: who hears the reply hears the topic.

        Raises:
            EncodeError: The response can't be written; then nothing has happened.
        """
        encoded = self.serializer.reply(message.join_ref, message.ref, message.topic, OK, response)
        if encoded[0] is BINARY:
            self._frame(*encoded)  # raises if the transport carries none
        self._session.add(message.topic, message.join_ref, channel)
        channel.enter_lane()
        if self.slow is not None:
            self.slow.sort()
        self.send(encoded)
        self._write_close_after()

    def not_joined(self, message: Message, response: Any) -> None:
        """Answer a join that was refused or crashed; a refusal that can't be written is a crash."""
        if self.is_lost:
            return
        try:
            self.reply(message.join_ref, message.ref, message.topic, ERROR, response)
        except EncodeError:
            self.server.log.exception(
                "The join of %r was refused with what can't be sent", message.topic
            )
            self.reply(message.join_ref, message.ref, message.topic, ERROR, CRASHED)
        self._write_close_after()

    def closed(self, channel: ChannelServer, leave: Message | None) -> None:
        """Tell the client that a channel has closed, answer its leave, and free the topic."""
        membership = self._session.remove(channel.topic, channel)
        if membership is not None and not self.is_lost:
            if leave is not None:
                self.reply(channel.join_ref, leave.ref, channel.topic, OK, {})
            self.send(self.serializer.close(membership.join_ref, membership.topic))

    def crashed(self, channel: ChannelServer) -> None:
        """Tell the client that a channel was lost, so that it rejoins, and free its topic."""
        membership = self._session.remove(channel.topic, channel)
        if membership is not None and not self.is_lost:
            self.send(self.serializer.error(membership.join_ref, membership.topic))

    def over(self) -> None:
        """Count a channel no more: nothing of it runs any longer."""
        self._living -= 1

    def release(self, channel: ChannelServer) -> None:
        """Go on reading, if it was this channel that held the line."""
        if self._holder is channel:
            self._holder = None
            self._resume()

    # What is written.

    def push_expiring(self, milliseconds: int) -> None:
        """Tell the client that its time is nearly over."""
        payload = {"expires_in_ms": milliseconds}
        self.send(self.serializer.push(None, PHOENIX, EXPIRING, payload))

    def reply(self, join_ref: Any, ref: Any, topic: Any, status: str, response: Any) -> None:
        """Write a reply."""
        self.send(self.serializer.reply(join_ref, ref, topic, status, response))

    def _write_close_after(self) -> None:
        if self._close_after is not None:
            old, self._close_after = self._close_after, None
            self.send(self.serializer.close(old.join_ref, old.topic))

    def _hold(self, holder: ChannelServer | Message) -> None:
        self._holder = holder
        self._wire.pause_reading()


def _expect_short_ref(ref: str, most: int) -> None:
    size = bytes_of(ref)
    if size > most:
        raise DecodeError(f"a ref has at most {most} bytes (Socket(max_ref_size=...)), got {size}")


def _expect_short(name: str, value: object, most: int) -> None:
    """Refuse an array or object that is long, since it takes much more memory than its text.

    A long text gets an error reply later on.

    Raises:
        DecodeError: It has more bytes.
    """
    if isinstance(value, list | dict) and len(encode_json(value)) > most:
        raise DecodeError(f"a {name} is text of at most {most} bytes (Socket(max_{name}_size=...))")


_ACTIONS: dict[Decision, Callable[[Connection, Message], None]] = {
    Decision.HEARTBEAT: Connection._heartbeat,
    Decision.JOIN: Connection._join,
    Decision.REJOIN: Connection._rejoin,
    Decision.LEAVE: Connection._leave,
    Decision.STALE: Connection._stale,
    Decision.LEFT_ALREADY: Connection._left_already,
    Decision.UNMATCHED: Connection._unmatched,
}
