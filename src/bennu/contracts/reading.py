"""Reads the contract of an endpoint from its sockets, their channel classes, and the source of their methods."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Union, get_args

from ..channel import Channel
from ..definition import ChannelDefinition, Handler
from ..endpoint import Endpoint
from ..errors import BennuError
from ..history.history import NO_HISTORY, History
from ..message import Ok
from ..presence import Presence
from ..socket import Socket, SocketBase
from ..topic import Pattern
from ..user_code.fields import MISSING
from ..user_code.signatures import bind_variables, hint_of, hints_of_class
from .answers import (
    ConnectFacts,
    EventFacts,
    connect_reasons,
    has_bytes,
    join_reasons,
    push_reasons,
)
from .model import (
    EMPTY,
    NOTHING,
    ChannelContract,
    ClientEvent,
    Contract,
    EventOrigin,
    HistoryContract,
    ReplyContract,
    ServerEvent,
    SocketContract,
    TopicParameter,
)
from .presences import events_of
from .replies import reply_of
from .sources import MethodSource, Sent, read_function, read_methods

__all__ = ["contract_of"]

LIMITS: Final = ("max_inbox", "max_mailbox", "overflow", "terminate_timeout")
SOCKET_LIMITS: Final = (
    "timeout", "max_frame_size", "max_unhandled", "max_unsent",
    "join_timeout", "max_channels", "max_ref_size", "max_topic_size", "max_event_size", "max_values",
)  # fmt: skip
OF_TOKENS: Final = ("bennu.auth", "bennu.phoenix")


def contract_of(endpoint: Endpoint, *, title: str = "", release: str = "") -> Contract:
    """Return what an endpoint offers to clients. Nothing of the application is called.

    Args:
        endpoint: The endpoint. It need not be started.
        title: A name for pages and documents. Default: the name of the package of the first channel.
        release: The version of the application's contract. Default: the version of that package, else ``0.0.0``.

    Example:
        >>> class Lobby(Channel):
        ...     emits = {"said": dict[str, str]}
        >>> endpoint = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"lobby": Lobby})})
        >>> [(channel.pattern, channel.sends[0].name) for _, channel in contract_of(endpoint).channels()]
        [('lobby', 'said')]
    """
    sockets = tuple(
        _socket(path, one, endpoint)
        for path, one in endpoint.sockets.items()
        if not one.is_internal
    )
    modules = [one.module for socket in sockets for one in socket.channels]
    package = modules[0].partition(".")[0] if modules else ""
    return Contract(title or package or "bennu", release or _version_of(package), sockets)


def _version_of(package: str) -> str:
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return "0.0.0"


# Sockets.


def _socket(path: str, socket: SocketBase[Any], endpoint: Endpoint) -> SocketContract:
    transports: dict[str, str] = {}
    if socket.websocket:
        transports["websocket"] = f"{path.rstrip('/')}/{socket.path}"
    if socket.longpoll is not None:
        transports["longpoll"] = f"{path.rstrip('/')}/{socket.longpoll.path}"
    params = socket.connector.params
    params = NOTHING if params is MISSING else params
    function = socket.connector.callback.function
    has_tokens = type(function).__module__.startswith(OF_TOKENS)
    facts = ConnectFacts(
        is_checked=params not in (NOTHING, Any, object),
        has_id=socket.id is not None,
        has_tokens=has_tokens,
        has_keys=has_tokens and getattr(function, "jwks_url", None) is not None,
        has_limits=endpoint.limits is not None,
    )
    limits = {name: getattr(socket, name) for name in SOCKET_LIMITS if hasattr(socket, name)}
    rates = socket.rates
    if rates is not None:
        found = {name: getattr(rates, name) for name in ("joins", "messages", "bytes")}
        limits |= {f"rates.{name}": str(rate) for name, rate in found.items() if rate is not None}
    return SocketContract(
        path,
        transports,
        is_raw=not isinstance(socket, Socket),
        text=_text_of(function),
        params=params,
        reasons=connect_reasons(facts) if isinstance(socket, Socket) else (),
        refusals=_unique(read_function(function).refusals),
        has_id=socket.id is not None,
        auth_token=socket.auth_token,
        has_session=socket.sessions is not None,
        needs_csrf=socket.sessions is not None and socket.check_csrf,
        subprotocols=tuple(
            one for one in socket.subprotocols or () if one != "phoenix" or not socket.auth_token
        ),
        can_refresh=isinstance(socket, Socket) and socket.refresher is not None,
        limits=limits,
        channels=_channels(socket, endpoint) if isinstance(socket, Socket) else (),
    )


def _channels(socket: Socket[Any], endpoint: Endpoint) -> tuple[ChannelContract, ...]:
    return tuple(
        _ChannelReader(row.pattern, row.target, socket, endpoint).read()
        for row in socket.table.rows
    )


# Channels.


class _ChannelReader:
    """Reads one channel class.

    Args:
        pattern: Its topic pattern.
        definition: Its tables.
        socket: Its socket.
        endpoint: The endpoint.
    """

    def __init__(
        self,
        pattern: Pattern,
        definition: ChannelDefinition,
        socket: Socket[Any],
        endpoint: Endpoint,
    ) -> None:
        self._pattern = pattern
        self._definition = definition
        self._socket = socket
        self._endpoint = endpoint
        self._methods = read_methods(definition.channel)
        self._history = _history(vars_of(definition.channel, "history"))

    def read(self) -> ChannelContract:
        """Return the contract of the class."""
        channel, definition = self._definition.channel, self._definition
        sent = [one for method in self._methods.values() for one in method.sends]
        declared = dict(channel.emits)
        handle_in = definition.handle_in
        return ChannelContract(
            self._pattern.text,
            channel.__name__,
            channel.__module__,
            inspect.cleandoc(channel.__doc__ or "") if channel.__doc__ != Channel.__doc__ else "",
            self._parameters(),
            self._join(),
            tuple(self._event(name, one) for name, one in definition.events.items()),
            (*_sends(declared, sent), *self._of_presences()),
            takes_any=None if handle_in is None else self._reply(handle_in, is_join=False),
            sends_more=any(method.sends_more for method in self._methods.values()),
            undeclared=_unique(one.event for one in sent if declared and one.event not in declared),
            history=self._history,
            limits=_limits(channel),
        )

    def _parameters(self) -> tuple[TopicParameter, ...]:
        parameters = self._pattern.parameters
        hints = hints_of_class(self._definition.channel, [one.name for one in parameters])
        return tuple(TopicParameter(one.name, hints[one.name], one.rest) for one in parameters)

    def _join(self) -> ClientEvent:
        handler, rates = self._definition.join, self._socket.rates
        reply = ReplyContract(EMPTY) if handler is None else self._reply(handler, is_join=True)
        payload = NOTHING if handler is None else _payload(handler)
        facts = EventFacts(
            is_checked=_is_checked(payload),
            has_rate=rates is not None and rates.joins is not None,
            needs_store=self._history is not None,
            has_bytes=has_bytes(reply.ok),
        )
        return ClientEvent(
            "phx_join",
            payload,
            reply,
            join_reasons(facts),
            self._refusals(handler),
            text="" if handler is None else _text_of(handler.function),
        )

    def _event(self, name: str, handler: Handler) -> ClientEvent:
        rates, idempotent = self._socket.rates, handler.idempotent
        reply, payload = self._reply(handler, is_join=False), _payload(handler)
        facts = EventFacts(
            is_checked=_is_checked(payload),
            has_rate=handler.rate is not None or (rates is not None and rates.messages is not None),
            is_idempotent=idempotent is not None,
            has_bytes=has_bytes(reply.ok),
            tracks=any(one.presences for one in self._reached(handler)),
        )
        return ClientEvent(
            name,
            payload,
            reply,
            push_reasons(facts),
            self._refusals(handler),
            rate=None if handler.rate is None else str(handler.rate),
            idempotent_by=None if idempotent is None else idempotent.field,
            ttl=None if idempotent is None else idempotent.ttl,
            text=_text_of(handler.function),
        )

    def _reply(self, handler: Handler, *, is_join: bool) -> ReplyContract:
        function = handler.function
        methods = self._reached(handler)
        later = any(one.answers_later for one in methods)
        annotation = _result(self._definition.channel, function)
        reply = reply_of(annotation, is_join=is_join, answers_later=later)
        is_bare = Ok in (get_args(annotation) or (annotation,))
        if is_bare and methods[0].oks:
            return replace(reply, ok=_union(methods[0].oks))
        return reply

    def _reached(self, handler: Handler | None) -> list[MethodSource]:
        """Return what a handler does, and what the other methods do that it calls."""
        if handler is None:
            return []
        first = read_function(handler.function, self._definition.channel)
        found, waiting, seen = [first], [*first.calls], set[str]()
        while waiting:
            name = waiting.pop()
            method = self._methods.get(name)
            if method is not None and name not in seen:
                seen.add(name)
                found.append(method)
                waiting += method.calls
        return found

    def _refusals(self, handler: Handler | None) -> tuple[str, ...]:
        return _unique(reason for one in self._reached(handler) for reason in one.refusals)

    def _of_presences(self) -> tuple[ServerEvent, ...]:
        """Return the events of the presences that the class uses; of all presences if its source does not name them."""
        used = [one for method in self._methods.values() for one in method.presences]
        presences: Sequence[Presence] = [one for one in used if one is not None]
        if len(presences) < len(used):
            presences = self._endpoint.presences
        found = {event.name: event for one in presences for event in events_of(one)}
        return tuple(found.values())


def vars_of(channel: type[Channel[Any, Any]], name: str) -> Any:
    """Return a class attribute as it stands in the class, without its ``__get__``."""
    return inspect.getattr_static(channel, name)


def _payload(handler: Handler) -> Any:
    return NOTHING if handler.payload is MISSING else handler.payload


def _is_checked(payload: Any) -> bool:
    return payload is not NOTHING and payload not in (Any, object)


def _result(channel: type, function: Any) -> Any:
    """Return the annotation of a method's result; ``Any`` if there is none, or if it can't be resolved."""
    try:
        annotation = hint_of(function, "return")
        if annotation is None:
            return Any
        owner = next((one for one in channel.__mro__ if function in vars(one).values()), channel)
        return bind_variables(annotation, channel, owner, where=None)
    except BennuError:  # it is imported for type checkers only
        return Any


def _sends(declared: Mapping[str, Any], sent: Sequence[Sent]) -> list[ServerEvent]:
    """Return the events that a class declares; if it declares none, the events that its source sends."""
    if declared:
        return [ServerEvent(event, kind) for event, kind in declared.items()]
    kinds: dict[str, list[Any]] = {}
    for one in sent:
        known = kinds.setdefault(one.event, [])
        if one.payload not in known:
            known.append(one.payload)
    return [
        ServerEvent(event, _union(found), EventOrigin.INFERRED) for event, found in kinds.items()
    ]


def _union(kinds: Sequence[Any]) -> Any:
    if any(kind in (Any, object) for kind in kinds):
        return Any
    return Union[tuple(kinds)]  # noqa: UP007 - of as many types as there are


def _history(history: History) -> HistoryContract | None:
    if history is NO_HISTORY:
        return None
    ttl = None if history.ttl is None else history.ttl.total_seconds()
    by_topic = history.choose is not None
    return HistoryContract(history.size, ttl, tuple(sorted(history.ephemeral)), by_topic)


def _limits(channel: type[Channel[Any, Any]]) -> dict[str, int | float | str]:
    found = {name: getattr(channel, name) for name in LIMITS}
    return {
        **found,
        "when_slow": channel.when_slow
        if isinstance(channel.when_slow, str)
        else repr(channel.when_slow),
    }


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _text_of(function: Any) -> str:
    """Return the docstring of a function of the user."""
    text = getattr(function, "__doc__", None) if inspect.isfunction(function) else None
    return inspect.cleandoc(text) if isinstance(text, str) else ""
