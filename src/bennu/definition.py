"""Reads a channel class into tables at start-up: the handler of each event, and the type of its payload.

A client's text only selects a row of these tables. It never selects a Python name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from .agent import Agent
from .backpressure import DropPolicy, Latest
from .channel import ON, ON_INFO, ON_OUT, Channel
from .emits import check_declaration, check_emitted
from .errors import DefinitionError, source_line
from .history.idempotent import Idempotent, idempotent_of
from .limits.rate import Rate, rate_of
from .limits.waiting import WarnWaiting
from .topic import Pattern
from .user_code.callback import Callback
from .user_code.fields import MISSING
from .user_code.functions import refuse_bool
from .user_code.mistakes import HOOKS, check_made_without_arguments
from .user_code.options import COUNT, SECONDS, Option, check_option, instance_of, optional
from .user_code.outgoing import converter_for
from .user_code.payload import Decoder, decoder_for
from .user_code.signatures import bind_variables, hint_of, hints_of_class, parameters_of

__all__ = ["ChannelDefinition", "Handler", "check_options", "define", "hook_handler"]

_REFUSE = "raise Refused(reason) where a client may not join"


@dataclass(frozen=True, slots=True, eq=False)
class Handler(Callback):
    """One method of a channel. It takes the channel, and the payload if ``decode`` is set.

    Attributes:
        decode: Decodes the raw payload to the annotated type; None if the method takes no payload. For an intercepted
            broadcast it makes the payload the annotated type (:func:`~bennu.user_code.outgoing.converter_for`).
        payload: The type that a client's payload is decoded to; ``MISSING`` if the method takes none.
        rate: How often one connection can call the method; None for no limit.
        idempotent: Says which pushes are repeats; None if the method runs for each push.
        start: Takes the object and the arguments, and returns an awaitable call of the method, which the caller
            awaits at once. For an async method it is the method itself, which saves a function call.
    """

    decode: Decoder | None = None
    payload: Any = MISSING
    rate: Rate | None = None
    idempotent: Idempotent | None = None
    start: Callable[..., Awaitable[Any]] = field(init=False)

    def __post_init__(self) -> None:
        Callback.__post_init__(self)  # not super(): `slots` makes a new class
        start = self.function if self.is_async else self._start_in_thread
        if self.idempotent is not None:
            start = self._start_once
        object.__setattr__(self, "start", start)

    def _start_in_thread(self, agent: Agent[Any, Any], /, *args: Any) -> Awaitable[Any]:
        return self.begin(agent._server.connection, agent, *args)

    def _start_once(self, agent: Channel[Any, Any], payload: Any, /) -> Awaitable[Any]:
        server: Any = agent._server
        return cast("Awaitable[Any]", server.connection.server.pushes.handle(server, self, payload))


@dataclass(slots=True)
class ChannelDefinition:
    """The tables of one channel class.

    Attributes:
        channel: The channel class.
        join: The handler of a join; None if the class has none. The other hooks likewise.
        events: The handlers of a client's events, by event.
        outs: The handlers of intercepted broadcasts, by event.
        infos: The handlers of server-side messages, by the message's type.
        intercepts: The events of broadcasts that the channel gets instead of its client: the keys of ``outs``.
        drop_key: Returns the key of a message; a newer message replaces an older one with the same key.
    """

    channel: type[Channel[Any, Any]]
    join: Handler | None = None
    after_join: Handler | None = None
    terminate: Handler | None = None
    history_floor: Handler | None = None
    handle_in: Handler | None = None
    events: dict[str, Handler] = field(default_factory=dict[str, Handler])
    outs: dict[str, Handler] = field(default_factory=dict[str, Handler])
    infos: dict[type, Handler] = field(default_factory=dict[type, Handler])
    intercepts: frozenset[str] = frozenset()
    drop_key: Callback | None = None

    @property
    def name(self) -> str:
        """The name of the channel class."""
        return self.channel.__qualname__

    @property
    def has_rates(self) -> bool:
        """Whether any event has a rate."""
        return any(handler.rate is not None for handler in self.events.values())

    @property
    def drop_policy(self) -> DropPolicy | None:
        """The policy that drops messages while the client is slow; None if no message is dropped."""
        policy = self.channel.when_slow
        return None if isinstance(policy, str) else policy

    def info_handler(self, message: Any) -> Handler | None:
        """Return the handler of a server-side message, by its nearest type; None if there is none."""
        for kind in type(message).__mro__:
            handler = self.infos.get(kind)
            if handler is not None:
                return handler
        return None

    def check_emitted(self, event: str, payload: Any) -> None:
        """Check an outgoing event and payload against ``emits``. A class without ``emits`` is not checked.

        Raises:
            ValueError: The event is not declared, or the payload doesn't fit its type.
        """
        check_emitted(self.name, self.channel.emits, event, payload)


def define(channel: type[Channel[Any, Any]], pattern: Pattern) -> ChannelDefinition:
    """Return the tables of a channel class.

    Args:
        channel: The channel class.
        pattern: The topic pattern of the class in the socket's ``channels``.

    Raises:
        DefinitionError: The class has a mistake.
    """
    if not (isinstance(channel, type) and issubclass(channel, Channel)):
        raise DefinitionError(
            f'the topic pattern "{pattern.text}" leads to no channel',
            expected="a subclass of Channel",
            got=repr(channel),
            write=f'channels={{"{pattern.text}": RoomChannel}}',
        )
    _bind_pattern(channel, pattern)
    check_declaration(channel.__qualname__, channel.emits)
    check_options(channel)
    _check_when_slow(channel)
    definition = ChannelDefinition(channel, drop_key=_drop_key(channel))
    for hook in HOOKS:
        function = getattr(channel, hook)
        if function is not getattr(Channel, hook):
            setattr(definition, hook, _hook(channel, hook, function))
    for name in dict.fromkeys(name for cls in reversed(channel.__mro__) for name in vars(cls)):
        value = getattr(channel, name, None)
        if value is not None:
            _enter(definition, name, value, _marked(channel, name))
    definition.intercepts = frozenset(definition.outs)  # once: it is part of the key of each lane
    return definition


def _marked(channel: type, name: str) -> Any:
    """Return the method of this name with an ``@on`` mark, also if a subclass overrides it without a mark."""
    candidates = (vars(cls)[name] for cls in channel.__mro__ if name in vars(cls))
    marks = (ON, ON_OUT, ON_INFO)
    return next((one for one in candidates if any(hasattr(one, mark) for mark in marks)), None)


def _bind_pattern(channel: type[Channel[Any, Any]], pattern: Pattern) -> None:
    for parameter in pattern.parameters:
        if hasattr(Channel, parameter.name):
            raise DefinitionError(
                f'the topic pattern "{pattern.text}" has a parameter {parameter.name!r}',
                expected="a name that no channel has already",
                got=f"Channel.{parameter.name}",
                write=f'"{pattern.text.replace("{" + parameter.name, "{my_" + parameter.name)}"',
            )
    if pattern.parameters:
        hints = hints_of_class(channel, [one.name for one in pattern.parameters])
        pattern.bind(hints, where=channel.__qualname__)


def check_options(agent: type[Agent[Any, Any]]) -> None:
    """Refuse invalid options of a class, and a class whose objects can't be made without arguments.

    Raises:
        DefinitionError: An option is invalid, or the class needs arguments.
    """
    check_made_without_arguments(agent)
    for name, option in _OPTIONS.items():
        write = f"{name} = {option.example}"
        subject = f"{agent.__qualname__}.{name}"
        check_option(subject, name, option, getattr(agent, name), write=write)


_OPTIONS = {
    "max_inbox": COUNT,
    "max_mailbox": COUNT,
    "terminate_timeout": SECONDS,
    "overflow": Option(
        '"end" or "drop_oldest"',
        lambda value: value in ("end", "drop_oldest"),
        '"drop_oldest"',
    ),
    "warn_waiting": optional(
        instance_of(WarnWaiting, "WarnWaiting(...)", "WarnWaiting(messages=50)")
    ),
}


def _check_when_slow(channel: type[Channel[Any, Any]]) -> None:
    given: Any = channel.when_slow
    if given != "close" and not isinstance(given, DropPolicy):
        raise DefinitionError(
            f"{channel.__qualname__}.when_slow",
            expected='"close", DropOldest(...) or Latest(...)',
            got=repr(given),
            write="when_slow = DropOldest(max=100)",
        )


def _drop_key(channel: type[Channel[Any, Any]]) -> Callback | None:
    """Return the policy's function that returns the key of a message; None if the policy has none."""
    policy = channel.when_slow
    if not isinstance(policy, Latest) or not callable(policy.key):
        return None
    return Callback(f"Latest(key=...) of {channel.__qualname__}.when_slow", policy.key)


def _enter(definition: ChannelDefinition, name: str, value: Any, marked: Any) -> None:
    """Add an attribute of the class to the tables, if it is marked as a handler."""
    channel = definition.channel
    if hasattr(marked, ON):
        event, annotation, rate, once = getattr(marked, ON)
        subject = f'the handler {channel.__qualname__}.{name} of "{event}"'
        _refuse_second(subject, definition.events.get(event), value)
        handler = _handler(channel, subject, value, annotation, once)
        if rate is not None:
            where = source_line(handler.function)
            rate = rate_of(rate, subject=f"the rate of {subject}", where=where)
            handler = replace(handler, rate=rate)
        definition.events[event] = handler
    elif hasattr(marked, ON_OUT):
        event = getattr(marked, ON_OUT)
        subject = f'the handler {channel.__qualname__}.{name} of outgoing "{event}"'
        _refuse_second(subject, definition.outs.get(event), value)
        definition.outs[event] = _out(channel, subject, value)
    elif hasattr(marked, ON_INFO):
        kind = getattr(marked, ON_INFO)
        subject = f"the handler {channel.__qualname__}.{name} of {kind!r}"
        _refuse_second(subject, definition.infos.get(kind), value)
        definition.infos[kind] = _plain(subject, value, takes="the message")


def _refuse_second(subject: str, earlier: Handler | None, function: Callable[..., Any]) -> None:
    if earlier is not None:
        raise DefinitionError(
            f"{subject} is a second handler",
            expected="one handler for each event and each type of message",
            got=f"{earlier.function.__qualname__} at {source_line(earlier.function)}",
            write="one of the two, or one that calls both",
            where=source_line(function),
        )


def _hook(channel: type, hook: str, function: Callable[..., Any]) -> Handler:
    subject = f"{channel.__qualname__}.{hook}"
    if hook == "join":
        refuse_bool(subject, function, write=f"async def join(self) -> None: ...  # {_REFUSE}")
        return _handler(channel, subject, function, None)
    expected = {
        "after_join": (),
        "history_floor": (),
        "handle_in": ("event", "payload"),
        "terminate": ("reason",),
    }[hook]
    return hook_handler(subject, function, expected)


def _plain(subject: str, function: Callable[..., Any], *, takes: str) -> Handler:
    return hook_handler(subject, function, (takes,))


def hook_handler(subject: str, function: Any, parameters: Sequence[str]) -> Handler:
    """Return the handler of a hook, an intercepted broadcast or a server-side message.

    Args:
        subject: The method's name in errors.
        function: The method.
        parameters: The names of the parameters after self.

    Raises:
        DefinitionError: The method has another number of parameters.
    """
    _expect_parameters(subject, function, parameters)
    return Handler(subject, function)


def _expect_parameters(subject: str, function: Callable[..., Any], expected: Sequence[str]) -> None:
    parameters = parameters_of(subject, function)
    if len(parameters) != len(expected):
        names = ", ".join(("self", *(one.removeprefix("the ") for one in expected)))
        raise DefinitionError(
            f"{subject} has the wrong parameters",
            expected=f"({names})",
            got=f"({', '.join(('self', *(one.name for one in parameters)))})",
            write=f"async def {function.__name__}({names})",
            where=source_line(function),
        )


def _handler(
    channel: type,
    subject: str,
    function: Callable[..., Any],
    annotation: Any,
    once: tuple[Any, Any] = (None, None),
) -> Handler:
    """Return the handler of a client's event.

    Raises:
        DefinitionError: The method has several parameters, or its payload has no type.
    """
    parameters = parameters_of(subject, function)
    where = source_line(function)
    if not parameters:
        idempotent_of(*once, MISSING, subject=subject, where=where)
        return Handler(subject, function)
    if len(parameters) > 1:
        raise DefinitionError(
            f"{subject} has too many parameters",
            expected="self and at most the payload (topic parameters are attributes)",
            got=f"({', '.join(('self', *(one.name for one in parameters)))})",
            write=f"async def {function.__name__}(self, payload: NewMsg)",
            where=where,
        )
    if annotation is None:
        annotation = hint_of(function, parameters[0].name)
    if annotation is None:
        raise DefinitionError(
            f"{subject} does not say what its payload is",
            expected="an annotation of the payload",
            got=f"{parameters[0].name} without one",
            write=f"{parameters[0].name}: dict[str, Any]",
            where=where,
        )
    annotation = _bound(channel, function, annotation, where)
    decode = decoder_for(annotation, subject=subject, where=where)
    idempotent = idempotent_of(*once, annotation, subject=subject, where=where)
    return Handler(subject, function, decode, annotation, idempotent=idempotent)


def _out(channel: type, subject: str, function: Callable[..., Any]) -> Handler:
    """Return the handler of an intercepted broadcast."""
    _expect_parameters(subject, function, ("the payload",))
    [parameter] = parameters_of(subject, function)
    where = source_line(function)
    annotation = hint_of(function, parameter.name)
    if annotation is not None:
        annotation = _bound(channel, function, annotation, where)
    return Handler(subject, function, converter_for(annotation, subject=subject, where=where))


def _bound(channel: type, function: Callable[..., Any], annotation: Any, where: str | None) -> Any:
    """Return an annotation with the type variables of the class that has the method."""
    owner = next(
        (one for one in channel.__mro__ if any(value is function for value in vars(one).values())),
        channel,
    )
    return bind_variables(annotation, channel, owner, where=where)
