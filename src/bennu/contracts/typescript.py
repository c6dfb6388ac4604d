"""Types for the stock client in TypeScript: ``socket.channel``, ``channel.join``, ``channel.push`` and ``channel.on``. Pure,
but for the libraries that make the schemas.

The module has types only: no line of it runs. A page makes phoenix.js's own socket, and says once what it talks to::

    const socket = new Socket("/socket", options) as ContractSocket

Each topic pattern is an overload of ``channel``. The events of a channel are the keys of two interfaces. So a wrong topic, event,
payload, or use of a reply is an error of ``tsc``, which names the events that there are.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

from .draft7 import Schema
from .model import (
    NOTHING,
    ChannelContract,
    ClientEvent,
    Contract,
    ReplyContract,
    SocketContract,
    TopicParameter,
)
from .names import identifier, module_names, pascal, type_name
from .schemas import Schemas, schemas_of
from .typescript_types import comment, declaration, literal, type_of

__all__ = ["typescript_types"]

RESERVED: Final = (
    "ArrayBuffer", "Channel", "E", "Omit", "Partial", "Push", "PushReplies", "Reasons", "Record", "Refusal", "Socket",
    "SocketConnectOption",
)  # fmt: skip
"""Names that the module uses itself."""

HEAD: Final = """\
// The contract of {title} {version}, written by `bennu types --typescript`. Do not edit it.
//
//   import {{ Socket }} from "phoenix"
//   import type {{ {example} }} from "./contract"
//
//   const socket = new Socket("{path}", options) as {example}

import type {{ Channel, Push, Socket, SocketConnectOption }} from "phoenix"

/** What a push or a join is answered with: the response of each status. */
export interface PushReplies<R extends object, Other = never> extends Omit<Push, "receive"> {{
  receive<S extends keyof R & string>(status: S, callback: (response: R[S]) => any): this
  receive(status: "timeout", callback: () => any): this
  receive(status: [Other] extends [never] ? never : string, callback: (response: Other) => any): this
}}

/** Why the server refuses. There can be more reasons than the contract knows. */
export interface Refusal<Reasons extends string> {{
  reason: Reasons | (string & {{}})
  /** What does not fit, with `invalid_payload`. */
  errors?: {{ path: string; message: string }}[]
  /** When to try again. */
  retry_after_ms?: number
  [key: string]: unknown
}}
"""

PARAMETER: Final = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::[a-z]+)?\}")


def typescript_types(contract: Contract) -> str:
    """Return the module of a contract: the text of a file ``contract.d.ts``.

    Args:
        contract: The contract.
    """
    return _Module(contract).write()


class _Module:
    """Writes one module.

    Args:
        contract: The contract.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._schemas: Schemas = schemas_of(contract)
        components = self._schemas.components
        channels = [channel for _, channel in contract.channels()]
        sockets = [one for one in contract.sockets if not one.is_raw]
        types, names, socket_names = module_names(
            RESERVED,
            map(type_name, components),
            (identifier(one.name) for one in channels),
            map(_socket_name, sockets),
        )
        self._types = dict(zip(components, types, strict=True))
        self._channels = dict(zip(map(id, channels), names, strict=True))
        self._sockets = dict(zip((one.path for one in sockets), socket_names, strict=True))

    def write(self) -> str:
        """Return the text."""
        path, example = next(iter(self._sockets.items()), ("/socket", "ContractSocket"))
        contract = self._contract
        head = HEAD.format(
            title=contract.title, version=contract.version, path=path, example=example
        )
        parts = [head]
        parts += [
            declaration(self._types[name], schema, self._types)
            for name, schema in self._schemas.components.items()
        ]
        parts += [self._channel(channel) for _, channel in contract.channels()]
        parts += [self._socket(one) for one in contract.sockets if not one.is_raw]
        return "\n".join(parts)

    # Sockets.

    def _socket(self, socket: SocketContract) -> str:
        name = self._sockets[socket.path]
        params = "object" if socket.params is NOTHING else self._type(socket.params)
        mark = "" if self._needs(socket.params) else "?"
        lines = [
            f"/** The options of a socket at `{socket.path}`. */",
            f'export interface {name}Options extends Partial<Omit<SocketConnectOption, "params">> {{',
            f"  params{mark}: {params} | (() => {params})",
            "}\n",
            f"/** A socket at `{socket.path}`. */",
            f'export interface {name} extends Omit<Socket, "channel"> {{',
            *(f"  {self._topic(one)}" for one in socket.channels),
            "}\n",
        ]
        return "\n".join(lines)

    def _topic(self, channel: ChannelContract) -> str:
        payload = channel.join.payload
        kind = "object" if payload is NOTHING else self._type(payload)
        mark = "" if self._needs(payload) else "?"
        name = self._channels[id(channel)]
        return (
            f"channel(topic: {_topic_type(channel)}, params{mark}: {kind} | (() => {kind})): {name}"
        )

    # Channels.

    def _channel(self, channel: ChannelContract) -> str:
        """Return the interfaces of a channel: what it can be pushed, what it sends, and itself."""
        name = self._channels[id(channel)]
        pushes = [line for event in channel.events for line in self._push(event)]
        events = [
            f"  {literal(one.name)}: {self._type(one.payload, 'out')}" for one in channel.sends
        ]
        pushed = f'event: E, payload: {name}Pushes[E]["payload"], timeout?: number'
        lines = [
            f"  join(timeout?: number): {self._replies(channel.join)}",
            f'  push<E extends keyof {name}Pushes>({pushed}): {name}Pushes[E]["replies"]',
        ]
        if channel.takes_any is not None:
            other = self._replies(ClientEvent("", reply=channel.takes_any))
            known = f"event: E extends keyof {name}Pushes ? never : E"
            lines.append(
                f"  push<E extends string>({known}, payload: object, timeout?: number): {other}"
            )
        lines.append(
            f"  on<E extends keyof {name}Events>(event: E, {_callback(f'{name}Events[E]')}): number"
        )
        if channel.sends_more:
            known = f"event: E extends keyof {name}Events ? never : E"
            lines.append(f"  on<E extends string>({known}, {_callback('unknown')}): number")
        sent = "string" if channel.sends_more else f"keyof {name}Events"
        lines.append(f"  off(event: {sent}, ref?: number): void")
        text = comment(channel.text or f"A channel of `{channel.pattern}`.")
        head = f'{text}export interface {name} extends Omit<Channel, "join" | "push" | "on" | "off"> {{'
        return "\n".join(
            (
                _interface(
                    f"{name}Pushes", f"What a client pushes to `{channel.pattern}`.", pushes
                ),
                _interface(
                    f"{name}Events", f"What the server sends to `{channel.pattern}`.", events
                ),
                "\n".join((head, *lines, "}\n")),
            )
        )

    def _push(self, event: ClientEvent) -> list[str]:
        kind = "object" if event.payload is NOTHING else self._type(event.payload)
        text = comment(event.text)
        return [
            *(f"  {line}" for line in text.splitlines()),
            f"  {literal(event.name)}: {{ payload: {kind}; replies: {self._replies(event)} }}",
        ]

    def _replies(self, event: ClientEvent) -> str:
        reply: ReplyContract = event.reply
        fields: list[str] = []
        if reply.ok is not NOTHING:
            fields.append(f"ok: {self._type(reply.ok, 'out')}")
        known = dict.fromkeys((*event.refusals, *(one.text for one in event.reasons)))
        error = f"Refusal<{' | '.join(map(literal, known)) or 'never'}>"
        if reply.error is not NOTHING:
            error = f"{self._type(reply.error, 'out')} | {error}"
        fields.append(f"error: {error}")
        other = "" if reply.other is NOTHING else f", {self._type(reply.other, 'out')}"
        return f"PushReplies<{{ {'; '.join(fields)} }}{other}>"

    # Types.

    def _type(self, annotation: Any, direction: Literal["in", "out"] = "in") -> str:
        return type_of(self._schemas.schema(annotation, direction), self._types)

    def _needs(self, annotation: Any) -> bool:
        """Return whether a value of a type must be there: it has a required field, or is no object."""
        if annotation in (NOTHING, Any, object):
            return False
        schema: Schema = self._schemas.schema(annotation, "in")
        while "$ref" in schema:
            schema = self._schemas.components[schema["$ref"].rpartition("/")[2]]
        return bool(schema.get("required")) or schema.get("type") != "object"


def _interface(name: str, text: str, lines: list[str]) -> str:
    body = "".join(f"{line}\n" for line in lines)
    return f"{comment(text)}export interface {name} {{\n{body}}}\n"


def _callback(kind: str) -> str:
    return f"callback: (payload: {kind}, ref?: any, joinRef?: any) => unknown"


def _socket_name(socket: SocketContract) -> str:
    words = re.sub(r"socket/?$", "", socket.path, flags=re.IGNORECASE)
    return f"{pascal(words) if pascal(words) != '_' else 'Contract'}Socket"


def _topic_type(channel: ChannelContract) -> str:
    """Return the type of the topics of a pattern: a text, or a template."""
    pattern = channel.pattern
    if pattern.endswith("*"):
        return f"`{_escaped(pattern[:-1])}${{string}}`"
    kinds = {one.name: _part(one) for one in channel.parameters}
    if not kinds:
        return literal(pattern)
    pieces = PARAMETER.split(pattern)
    texts = [
        _escaped(one) if number % 2 == 0 else f"${{{kinds[one]}}}"
        for number, one in enumerate(pieces)
    ]
    return f"`{''.join(texts)}`"


def _part(parameter: TopicParameter) -> str:
    kind = parameter.type
    if kind is int:
        return "number"
    if get_origin(kind) is Literal:
        return " | ".join(literal(one) for one in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " | ".join(literal(one.value) for one in kind)
    return "string"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${")
