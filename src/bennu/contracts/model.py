"""What an endpoint offers to clients, as data. Pure.

:mod:`.reading` makes it of an endpoint. Types are the annotations of the user's code, as start-up has resolved them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Never

from ..reasons import Reason

__all__ = [
    "EMPTY",
    "NOTHING",
    "ChannelContract",
    "ClientEvent",
    "Contract",
    "EventOrigin",
    "HistoryContract",
    "Nothing",
    "ReplyContract",
    "ServerEvent",
    "SocketContract",
    "TopicParameter",
]


class Nothing(Enum):
    """The type of what is not there: a payload that a handler does not take, a reply that never comes."""

    NOTHING = "nothing"


NOTHING: Final = Nothing.NOTHING

EMPTY: Final = dict[str, Never]
"""The type of ``{}``."""


class EventOrigin(Enum):
    """How an event that the server sends is known.

    Attributes:
        meaning: The explanation on pages.
    """

    DECLARED = "declared in `emits`"
    INFERRED = "found in the source: the class sends it, and has no `emits`"
    PRESENCE = "sent by a `Presence` that the class uses"

    @property
    def meaning(self) -> str:
        """The explanation on pages."""
        return self.value


@dataclass(frozen=True, slots=True)
class TopicParameter:
    """A parameter of a topic.

    Attributes:
        name: Its name.
        type: Its type.
        rest: Whether it takes the rest of the topic, colons included.
    """

    name: str
    type: Any
    rest: bool = False


@dataclass(frozen=True, slots=True)
class ReplyContract:
    """The replies to a join or a push.

    Attributes:
        ok: The type of the response of an ok reply; ``Any`` if the annotations don't say it; ``NOTHING`` if there is none.
            ``EMPTY`` is ``{}``.
        error: The type of the response of an error reply that the handler returns; ``NOTHING`` if it returns none.
        other: The type of the response of a reply with another status; ``NOTHING`` if there is none.
        is_certain: Whether each push gets a reply. If not, a handler can return None.
    """

    ok: Any = NOTHING
    error: Any = NOTHING
    other: Any = NOTHING
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """A join, or an event that clients push.

    Attributes:
        name: The name of the event; ``phx_join`` for a join.
        payload: The type of the payload; ``NOTHING`` if the handler takes none.
        reply: The replies.
        reasons: The reasons of Bennu with which it can be refused.
        refusals: The application's own reasons, as far as its source names them.
        rate: How often one connection can send it; None for no limit of its own.
        idempotent_by: The field with the client's key; None if a repeat runs again.
        ttl: Seconds for which replies to repeats are kept.
        text: The docstring of the handler.
    """

    name: str
    payload: Any = NOTHING
    reply: ReplyContract = ReplyContract()
    reasons: tuple[Reason, ...] = ()
    refusals: tuple[str, ...] = ()
    rate: str | None = None
    idempotent_by: str | None = None
    ttl: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event that the server sends.

    Attributes:
        name: The name of the event.
        payload: The type of the payload; ``Any`` if nothing says it.
        origin: How it is known.
    """

    name: str
    payload: Any
    origin: EventOrigin = EventOrigin.DECLARED


@dataclass(frozen=True, slots=True)
class HistoryContract:
    """The history of a topic.

    Attributes:
        size: The most entries that are kept.
        ttl: Seconds for which they are kept; None for any time.
        ephemeral: The events that are not kept.
        by_topic: Whether a function chooses the history of each topic, so that some may have none.
    """

    size: int
    ttl: float | None
    ephemeral: tuple[str, ...] = ()
    by_topic: bool = False


@dataclass(frozen=True, slots=True)
class ChannelContract:
    """A channel class under a topic pattern.

    Attributes:
        pattern: The pattern, as the user wrote it.
        name: The name of the class.
        module: The module of the class.
        text: The docstring of the class.
        parameters: The parameters of the topic.
        join: The join.
        events: The events of clients.
        sends: The events of the server.
        takes_any: The replies to events that have no handler of their own, of ``handle_in``; None if there is none.
        sends_more: Whether the class sends events whose names its source does not say.
        undeclared: Events that the source sends, and that ``emits`` does not name. In development they are errors.
        history: The history; None if the topic has none.
        limits: The class options ``max_inbox``, ``max_mailbox``, ``overflow``, ``terminate_timeout``, ``when_slow``.
    """

    pattern: str
    name: str
    module: str = ""
    text: str = ""
    parameters: tuple[TopicParameter, ...] = ()
    join: ClientEvent = ClientEvent("phx_join")
    events: tuple[ClientEvent, ...] = ()
    sends: tuple[ServerEvent, ...] = ()
    takes_any: ReplyContract | None = None
    sends_more: bool = False
    undeclared: tuple[str, ...] = ()
    history: HistoryContract | None = None
    limits: Mapping[str, int | float | str] = field(default_factory=dict[str, int | float | str])


@dataclass(frozen=True, slots=True)
class SocketContract:
    """A socket under its mount path.

    Attributes:
        path: The mount path.
        transports: The path of each transport below the endpoint: ``websocket``, ``longpoll``.
        is_raw: Whether it speaks no protocol of Bennu (``RawSocket``), so that it has no channels.
        text: The docstring of ``connect``.
        params: The type of the parameters of ``connect``; ``NOTHING`` if it takes none.
        reasons: The reasons of Bennu with which a connect can be refused.
        refusals: The application's own reasons, as far as its source names them.
        has_id: Whether connections have an id.
        auth_token: Whether clients can send a token beside the URL.
        has_session: Whether the session cookie of the page is read.
        needs_csrf: Whether that needs the parameter ``_csrf_token``.
        subprotocols: The subprotocols, besides the one of the auth token.
        can_refresh: Whether a client can renew its token on the open connection.
        limits: The options with numbers, and the rates, by their names.
        channels: The channels in the order in which their patterns are tried.
    """

    path: str
    transports: Mapping[str, str] = field(default_factory=dict[str, str])
    is_raw: bool = False
    text: str = ""
    params: Any = NOTHING
    reasons: tuple[Reason, ...] = ()
    refusals: tuple[str, ...] = ()
    has_id: bool = False
    auth_token: bool = False
    has_session: bool = False
    needs_csrf: bool = False
    subprotocols: tuple[str, ...] = ()
    can_refresh: bool = False
    limits: Mapping[str, int | float | str] = field(default_factory=dict[str, int | float | str])
    channels: tuple[ChannelContract, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """What an endpoint offers to clients.

    Attributes:
        title: A name for pages and documents.
        version: The version of the application's contract, which its author chooses.
        sockets: The sockets.
    """

    title: str
    version: str
    sockets: tuple[SocketContract, ...] = ()

    def channels(self) -> Iterator[tuple[SocketContract, ChannelContract]]:
        """Yield each channel of each socket, in order."""
        for socket in self.sockets:
            for channel in socket.channels:
                yield socket, channel
