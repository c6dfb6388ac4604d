"""The AsyncAPI 3.0 document of a contract. Pure, but for the libraries that make the schemas.

The document describes the server: ``receive`` is what clients send, ``send`` is what they get. A topic pattern is a channel,
and a push with its reply is an operation. What AsyncAPI has no field for is under ``x-bennu``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from .draft7 import Schema
from .frames import (
    DESCRIPTION,
    END_MESSAGES,
    LEAVE,
    OWN_SCHEMAS,
    PHOENIX_MESSAGES,
    TRAIT,
    TRAITS,
    refusal_schema,
    reply_payload,
)
from .model import (
    NOTHING,
    ChannelContract,
    ClientEvent,
    Contract,
    ReplyContract,
    ServerEvent,
    SocketContract,
    TopicParameter,
)
from .names import address_of, channel_keys, slug
from .schemas import Direction, Schemas, is_binary, schemas_of
from .servers import DEFAULT_SERVER, Servers, described
from .type_text import type_text

__all__ = ["asyncapi"]


def asyncapi(contract: Contract, *, server: str = DEFAULT_SERVER) -> dict[str, Any]:
    """Return the AsyncAPI document of a contract: dicts, lists, texts and numbers, for a JSON file.

    Args:
        contract: The contract.
        server: The URL below which the endpoint is served: ``wss://chat.example.com/rt``. Default: ``bennu run``'s.

    Raises:
        ValueError: ``server`` is no URL that begins with ``ws://`` or ``wss://``.
    """
    return _Writer(contract, server).write()


class _Writer:
    """Writes one document.

    Args:
        contract: The contract.
        server: The URL of the server.
    """

    def __init__(self, contract: Contract, server: str) -> None:
        self._contract = contract
        self._schemas: Schemas = schemas_of(contract)
        self._servers = Servers(contract, self._schemas, server)

    def write(self) -> dict[str, Any]:
        """Return the document."""
        channels: dict[str, Any] = {}
        operations: dict[str, Any] = {}
        for key, socket, channel in channel_keys(self._contract):
            channels[key] = self._channel(socket, channel)
            operations |= self._operations(key, channel)
        self._add_phoenix(channels, operations)
        servers = self._servers.servers()
        return {
            "asyncapi": "3.0.0",
            "info": {
                "title": self._contract.title,
                "version": self._contract.version,
                "description": DESCRIPTION,
            },
            "defaultContentType": "application/json",
            "servers": servers,
            "channels": channels,
            "operations": operations,
            "components": {
                "schemas": {**self._schemas.components, **OWN_SCHEMAS},
                "messageTraits": TRAITS,
                "channelBindings": {
                    self._servers.names[one.path]: self._servers.binding(one)
                    for one in self._contract.sockets
                },
                **({"securitySchemes": self._servers.security} if self._servers.security else {}),
            },
            "x-bennu": {
                "params": {
                    one.path: self._schema(one.params, "in") for one in self._contract.sockets
                }
            },
        }

    # Channels.

    def _channel(self, socket: SocketContract, channel: ChannelContract) -> dict[str, Any]:
        parameters = {one.name: self._parameter(one) for one in channel.parameters}
        if channel.pattern.endswith("*"):
            parameters["rest"] = {"description": "Any text."}
        events = [channel.join, *channel.events]
        messages: dict[str, Any] = {}
        for event in events:
            messages |= self._messages(event)
        for one in channel.sends:
            messages[f"out.{slug(one.name)}"] = self._sent(one)
        return {
            "address": address_of(channel.pattern),
            "title": channel.name,
            **described(channel.text),
            "servers": [{"$ref": f"#/servers/{one}"} for one in self._servers.names_of(socket)],
            **({"parameters": parameters} if parameters else {}),
            "messages": {**messages, **LEAVE, **END_MESSAGES},
            "bindings": {
                "$ref": f"#/components/channelBindings/{self._servers.names[socket.path]}"
            },
            "x-bennu": {
                "socket": socket.path,
                "pattern": channel.pattern,
                "takes_any_event": channel.takes_any is not None,
                "sends_more": channel.sends_more,
                "limits": dict(channel.limits),
                **_history(channel),
            },
        }

    def _parameter(self, parameter: TopicParameter) -> dict[str, Any]:
        words = "The rest of the topic" if parameter.rest else "A part of the topic"
        values = _values(parameter.type)
        return {
            "description": f"{words}: {type_text(parameter.type)}.",
            **({"enum": values} if values else {}),
            "x-bennu": {"schema": self._schema(parameter.type, "in"), "rest": parameter.rest},
        }

    def _messages(self, event: ClientEvent) -> dict[str, Any]:
        """Return the messages of a join or a push: the message itself, and the replies."""
        key = slug(event.name)
        reply = event.reply
        found = {key: _message(event.name, _first_line(event.text), self._payload(event))}
        if is_binary(event.payload):
            found[key]["contentType"] = "application/octet-stream"
        if reply.ok is not NOTHING:
            found[f"{key}.ok"] = self._reply(reply.ok, {"const": "ok"}, "The reply.")
        if reply.other is not NOTHING:
            other: Schema = {"type": "string", "not": {"enum": ["ok", "error"]}}
            found[f"{key}.other"] = self._reply(
                reply.other, other, "A reply with a status of its own."
            )
        refusal = refusal_schema(event.reasons, event.refusals)
        if reply.error is not NOTHING:
            refusal = {"anyOf": [self._schema(reply.error, "out"), refusal]}
        found[f"{key}.error"] = _message(
            "phx_reply", "It is refused.", reply_payload({"const": "error"}, refusal)
        )
        return found

    def _payload(self, event: ClientEvent) -> Schema:
        if event.payload is NOTHING:
            return {"description": "The payload is ignored.", "type": "object"}
        return self._schema(event.payload, "in")

    def _reply(self, kind: Any, status: Schema, summary: str) -> dict[str, Any]:
        found = _message("phx_reply", summary, reply_payload(status, self._schema(kind, "out")))
        if is_binary(kind):
            found["contentType"] = "application/octet-stream"
        return found

    def _sent(self, event: ServerEvent) -> dict[str, Any]:
        found = _message(event.name, "", self._schema(event.payload, "out"))
        if is_binary(event.payload):
            found["contentType"] = "application/octet-stream"
        found["x-bennu"] = {"origin": event.origin.name.lower()}
        return found

    def _schema(self, annotation: Any, direction: Direction) -> Schema:
        return self._schemas.schema(annotation, direction)

    # Operations.

    def _operations(self, key: str, channel: ChannelContract) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in (channel.join, *channel.events):
            name = slug(event.name)
            messages = [f"{name}.{one}" for one in _statuses(event.reply)]
            found[f"{key}.{name}"] = {
                "action": "receive",
                "title": f"join {channel.pattern}" if event is channel.join else event.name,
                **described(event.text),
                **_references(key, [name], reply=messages),
                "x-bennu": _facts(event),
            }
        for one in channel.sends:
            found[f"{key}.out.{slug(one.name)}"] = {
                "action": "send",
                "title": one.name,
                **_references(key, [f"out.{slug(one.name)}"]),
                "x-bennu": {"event": one.name, "origin": one.origin.name.lower()},
            }
        found[f"{key}.phx_leave"] = {
            "action": "receive",
            "title": f"leave {channel.pattern}",
            **_references(key, ["phx_leave"], reply=["phx_leave.ok"]),
        }
        found[f"{key}.out.end"] = {
            "action": "send",
            "title": "the end of the channel",
            **_references(key, [*END_MESSAGES]),
        }
        return found

    def _add_phoenix(self, channels: dict[str, Any], operations: dict[str, Any]) -> None:
        """Add the topic ``phoenix``, which belongs to the connection."""
        sockets = [one for one in self._contract.sockets if not one.is_raw]
        if not sockets:
            return
        names = ["heartbeat", "heartbeat.ok"]
        if any(one.can_refresh for one in sockets):
            names = [*PHOENIX_MESSAGES]
        channels["phoenix"] = {
            "address": "phoenix",
            "title": "The connection",
            "servers": [
                {"$ref": f"#/servers/{name}"}
                for one in sockets
                for name in self._servers.names_of(one)
            ],
            "messages": {name: PHOENIX_MESSAGES[name] for name in names},
        }
        operations["phoenix.heartbeat"] = {
            "action": "receive",
            "title": "a heartbeat",
            **_references("phoenix", ["heartbeat"], reply=["heartbeat.ok"]),
        }
        if "token" in names:
            operations["phoenix.token"] = {
                "action": "receive",
                "title": "a new token",
                **_references("phoenix", ["token"], reply=["token.ok", "token.error"]),
            }
            operations["phoenix.out.token_expiring"] = {
                "action": "send",
                "title": "token_expiring",
                **_references("phoenix", ["token_expiring"]),
            }


def _references(
    channel: str, messages: Iterable[str], *, reply: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the channel, the messages and the reply of an operation."""
    where = {"$ref": f"#/channels/{channel}"}
    found: dict[str, Any] = {
        "channel": where,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{one}"} for one in messages],
    }
    if reply:
        of = [{"$ref": f"#/channels/{channel}/messages/{one}"} for one in reply]
        found["reply"] = {"channel": where, "messages": of}
    return found


def _statuses(reply: ReplyContract) -> list[str]:
    given = {"ok": reply.ok, "other": reply.other}
    return [*(name for name, kind in given.items() if kind is not NOTHING), "error"]


def _facts(event: ClientEvent) -> dict[str, Any]:
    """Return what AsyncAPI has no field for."""
    found: dict[str, Any] = {
        "event": event.name,
        "always_replies": event.reply.is_certain,
        "reasons": [one.text for one in event.reasons],
        "refusals": [*event.refusals],
    }
    if event.rate is not None:
        found["rate"] = event.rate
    if event.idempotent_by is not None:
        found |= {"idempotent_by": event.idempotent_by, "ttl": event.ttl}
    return found


def _history(channel: ChannelContract) -> dict[str, Any]:
    history = channel.history
    if history is None:
        return {}
    return {
        "history": {
            "size": history.size,
            "ttl": history.ttl,
            "ephemeral": [*history.ephemeral],
            "by_topic": history.by_topic,
        }
    }


def _message(event: str, summary: str, payload: Schema) -> dict[str, Any]:
    return {
        "name": event,
        **({"summary": summary} if summary else {}),
        "payload": payload,
        "traits": [TRAIT],
    }


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _values(annotation: Any) -> list[str]:
    """Return the texts that a parameter of a topic can have; none if it can have any."""
    if get_origin(annotation) is Literal:
        return [*map(str, get_args(annotation))]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(one.value) for one in annotation]
    return []
