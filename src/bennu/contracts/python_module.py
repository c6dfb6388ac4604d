"""A module for the Python client: the payloads as types, and a class for each channel with a method for each event. Pure, but
for the libraries that make the schemas.

The module uses ``bennu.client`` only through the methods that its classes ``Room`` and ``Connection`` name, so type checkers
check its use, and any object with these methods can stand in.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

from .draft7 import Schema
from .model import EMPTY, NOTHING, ChannelContract, ClientEvent, Contract, TopicParameter
from .names import identifier, module_names, type_name, unique_names
from .python_values import docstring, in_order, is_struct, python_type, value_declaration
from .schemas import Direction, Schemas, schemas_of

__all__ = ["python_types"]

RESERVED: Final = (
    "Any", "AsyncIterator", "Awaitable", "Callable", "ClientChannel", "ClientSocket", "Literal", "Protocol", "T", "TypeAlias",
    "TypeVar", "UUID", "annotations", "cast", "msgspec",
)  # fmt: skip
"""Names that the module uses itself."""

CLASSES: Final = ("bool", "bytes", "dict", "float", "int", "list", "str", "tuple")
LONGEST_LINE: Final = 100
TAKEN: Final = ("channel", "client", "join", "leave", "self", "topic", "timeout")
"""Names of methods that each class has, or of their parameters."""

EXAMPLE: Final = """\
With the Python client::

    async with Client(url) as client:
        room = {name}({values})
        await room.join()
"""

HEAD: Final = '''\
"""The contract of {title} {version}, written by ``bennu types --python``. Do not edit it.

{example}"""

from __future__ import annotations

{imports}

import msgspec

T = TypeVar("T")


class ClientChannel(Protocol):
    """What this module needs of a channel of ``bennu.client``."""

    def join(self, reply: type[T]) -> Awaitable[T]: ...
    def leave(self) -> Awaitable[object]: ...
    def push(
        self, event: str, payload: Any = ..., *, reply: type[T], timeout: float = ...
    ) -> Awaitable[T]: ...
    def on(self, event: str, callback: Callable[[T], object], *, payload: type[T]) -> object: ...
    def events(self, event: str, payload: type[T]) -> AsyncIterator[T]: ...


class ClientSocket(Protocol):
    """What this module needs of a client of ``bennu.client``."""

    def channel(self, topic: str, params: Any = ..., /) -> ClientChannel: ...

'''


def python_types(contract: Contract) -> str:
    """Return the module of a contract: the text of a Python file.

    Args:
        contract: The contract.
    """
    return _PythonModule(contract).write()


class _PythonModule:
    """Writes one module.

    Args:
        contract: The contract.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._schemas: Schemas = schemas_of(contract)
        components = self._schemas.components
        channels = [channel for _, channel in contract.channels()]
        types, classes = module_names(
            RESERVED, map(type_name, components), (identifier(one.name) for one in channels)
        )
        self._names = dict(zip(components, types, strict=True))
        self._channels = dict(zip(map(id, channels), classes, strict=True))

    def write(self) -> str:
        """Return the text."""
        components = self._schemas.components
        values = [
            value_declaration(self._names[one], one, components, self._names)
            for one in in_order(components)
        ]
        channels = [self._channel(channel) for _, channel in self._contract.channels()]
        body = "\n\n".join((*values, *channels))
        head = HEAD.format(
            title=docstring(self._contract.title),
            version=docstring(self._contract.version),
            example=self._example(),
            imports=_imports(body),
        )
        return f"{head}\n{body}" if body else head

    def _example(self) -> str:
        found = next(iter(self._contract.channels()), None)
        if found is None:
            return ""
        _, channel = found
        values = ", ".join(["client", *(f"{one.name}=..." for one in channel.parameters)])
        return EXAMPLE.format(name=self._channels[id(channel)], values=values)

    # Channels.

    def _channel(self, channel: ChannelContract) -> str:
        name = self._channels[id(channel)]
        text = docstring(channel.text or f"A channel of ``{channel.pattern}``.", "    ")
        lines = [
            f"class {name}:",
            f'    """{text}"""\n',
            *self._constructor(channel),
            *self._join(channel),
            "    async def leave(self) -> None:",
            '        """Leave the topic."""',
            "        await self.channel.leave()\n",
        ]
        methods = _methods(channel)
        for event, method in zip(channel.events, methods, strict=True):
            lines += self._push(event, method)
        names = unique_names(identifier(one.name) for one in channel.sends)
        for one, name in zip(channel.sends, names, strict=True):
            free = f"{name}_" if {f"on_{name}", "_".join((name, "events"))} & {*methods} else name
            lines += self._event(one.name, free, self._type(one.payload, "out"))
        return "\n".join(lines).rstrip("\n") + "\n"

    def _constructor(self, channel: ChannelContract) -> list[str]:
        given = [f"{identifier(one.name)}: {_parameter_type(one)}" for one in channel.parameters]
        if channel.pattern.endswith("*"):
            given.append("rest: str")
        payload = channel.join.payload
        if payload is not NOTHING:
            kind = self._type(payload)
            is_needed = self._needs(payload)
            given.append(f"payload: {kind}" if is_needed else f"payload: {kind} | None = None")
        takes = f", *, {', '.join(given)}" if given else ""
        topic = _topic(channel)
        lines = [f"    def __init__(self, client: ClientSocket{takes}) -> None:"]
        if payload is NOTHING:
            lines.append(f"        self.channel = client.channel({topic})\n")
        elif self._needs(payload):
            lines.append(f"        self.channel = client.channel({topic}, payload)\n")
        else:
            lines.append(
                f"        self.channel = client.channel({topic}, {{}} if payload is None else payload)\n"
            )
        return lines

    def _join(self, channel: ChannelContract) -> list[str]:
        reply = self._type(channel.join.reply.ok, "out")
        text = docstring(channel.join.text or f"Join ``{channel.pattern}``.", "        ")
        return [
            f"    async def join(self) -> {reply}:",
            f'        """{text}"""',
            self._returned(reply, "self.channel.join", ""),
        ]

    def _push(self, event: ClientEvent, method: str) -> list[str]:
        kind = None if event.payload is NOTHING else self._type(event.payload)
        given = "" if kind is None else f", payload: {kind}"
        text = docstring(event.text or f"Push ``{event.name}``.", "        ")
        sent = f"{_text(event.name)}, {'{}' if kind is None else 'payload'}"
        reply = event.reply
        if reply.ok is NOTHING or not reply.is_certain:  # to wait for it can be in vain
            return [
                f"    def {method}(self{given}) -> None:",
                f'        """{text}"""',
                f"        _ = self.channel.push({sent}, reply=object)\n",
            ]
        answer = self._type(reply.ok, "out")
        return [
            f"    async def {method}(self{given}, *, timeout: float = 10.0) -> {answer}:",
            f'        """{text}"""',
            self._returned(answer, "self.channel.push", f"{sent}, "),
        ]

    def _event(self, event: str, name: str, kind: str) -> list[str]:
        given = self._class_of(kind)
        return [
            f"    def on_{name}(self, callback: Callable[[{kind}], object]) -> object:",
            f'        """Call a function for each ``{event}``."""',
            f"        return self.channel.on({_text(event)}, callback, payload={given})\n",
            f"    def {'_'.join((name, 'events'))}(self) -> AsyncIterator[{kind}]:",
            f'        """Iterate over each ``{event}``."""',
            f"        return self.channel.events({_text(event)}, {given})\n",
        ]

    # Types.

    def _type(self, annotation: Any, direction: Direction = "in") -> str:
        if annotation is NOTHING or annotation == EMPTY:
            return "dict[str, Any]"
        return python_type(
            self._schemas.schema(annotation, direction), self._schemas.components, self._names
        )

    def _class_of(self, kind: str) -> str:
        """Return a type as an argument of ``type[T]``: a union or an alias is no class for type checkers."""
        if kind == "Any":
            return "object"
        name = kind.partition("[")[0]
        structs = {
            self._names[key] for key, one in self._schemas.components.items() if is_struct(one)
        }
        is_class = " | " not in kind and (name in structs or name in CLASSES)
        return kind if is_class else f'cast("Any", {kind})'

    def _returned(self, kind: str, call: str, arguments: str) -> str:
        """Return the lines that await a call and return its result. Type checkers know no type of a union."""
        given = f"{arguments}reply={self._class_of(kind)}"
        is_class = not given.endswith(")")
        begin = "return" if is_class else f"answer: {kind} ="
        more = ", timeout=timeout" if arguments else ""
        line = f"        {begin} await {call}({given}{more})"
        if len(line) > LONGEST_LINE:
            line = f"        {begin} await {call}(\n            {given}{more}\n        )"
        return f"{line}\n" if is_class else f"{line}\n        return answer\n"

    def _needs(self, annotation: Any) -> bool:
        """Return whether a value of a type must be there."""
        schema: Schema = self._schemas.schema(annotation, "in")
        while "$ref" in schema:
            schema = self._schemas.components[schema["$ref"].rpartition("/")[2]]
        return bool(schema.get("required")) or schema.get("type") not in ("object", None)


def _methods(channel: ChannelContract) -> list[str]:
    """Return the name of the method of each event of clients."""
    return unique_names([*TAKEN, *(identifier(one.name) for one in channel.events)])[len(TAKEN) :]


def _text(text: str) -> str:
    """Return a text as a literal of Python."""
    return json.dumps(text, ensure_ascii=False)


def _imports(body: str) -> str:
    """Return the imports that a module needs."""
    asked = [one for one in ("Literal", "TypeAlias", "cast") if re.search(rf"\b{one}\b", body)]
    names = sorted(("Any", "Protocol", "TypeVar", *asked), key=lambda one: (one[0].islower(), one))
    lines = [
        "from collections.abc import AsyncIterator, Awaitable, Callable",
        f"from typing import {', '.join(names)}",
    ]
    if "UUID" in body:
        lines.append("from uuid import UUID")
    return "\n".join(lines)


def _parameter_type(parameter: TopicParameter) -> str:
    kind = parameter.type
    if get_origin(kind) is Literal:
        return f"Literal[{', '.join(map(_text, get_args(kind)))}]"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"Literal[{', '.join(_text(one.value) for one in kind)}]"
    return str(kind.__name__)


def _topic(channel: ChannelContract) -> str:
    """Return the expression of a topic."""
    if channel.pattern.endswith("*"):
        return f'f"{channel.pattern[:-1]}{{rest}}"'
    if not channel.parameters:
        return f'"{channel.pattern}"'
    text = channel.pattern
    for one in channel.parameters:
        text = text.replace(f"{{{one.name}:path}}", f"{{{one.name}}}").replace(
            f"{{{one.name}}}", f"{{{identifier(one.name)}}}"
        )
    return f'f"{text}"'
