"""Reads an AsyncAPI document of Bennu, for the comparison of two. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .draft7 import Schema
from .names import shape_of

__all__ = [
    "FACTS",
    "Json",
    "channels_of",
    "credentials_of",
    "declared_errors",
    "message_of",
    "operations_of",
    "payload_of",
    "place_of",
    "query_of",
    "replies_of",
    "response_of",
    "schemas_in",
    "sockets_of",
]

FACTS: Final = "x-bennu"
MESSAGES: Final = "#/channels/"

Json = Mapping[str, Any]


def sockets_of(document: Json) -> dict[str, dict[str, Json]]:
    """Return the servers by the path of their socket and their transport."""
    found: dict[str, dict[str, Json]] = {}
    for one in document["servers"].values():
        facts = one[FACTS]
        found.setdefault(facts["socket"], {})[facts["transport"]] = one
    return found


def channels_of(document: Json) -> dict[tuple[str, str], tuple[str, Json]]:
    """Return the name and the channel of each topic, by its socket and its shape."""
    return {
        (one[FACTS]["socket"], shape_of(one["address"])): (name, one)
        for name, one in document["channels"].items()
        if FACTS in one
    }


def operations_of(document: Json, channel: str) -> dict[tuple[str, str], Json]:
    """Return the operations of a channel, by their action and their event."""
    where = f"{MESSAGES}{channel}"
    return {
        (one["action"], one[FACTS]["event"]): one
        for one in document["operations"].values()
        if one["channel"]["$ref"] == where and FACTS in one
    }


def schemas_in(document: Json) -> Json:
    found: Json = document.get("components", {}).get("schemas", {})
    return found


def message_of(document: Json, reference: str) -> Json:
    channel, _, name = reference.removeprefix(MESSAGES).partition("/messages/")
    found: Json = document["channels"][channel]["messages"][name]
    return found


def payload_of(document: Json, operation: Json) -> Schema:
    payload: Schema = message_of(document, operation["messages"][0]["$ref"])["payload"]
    return payload


def replies_of(document: Json, operation: Json) -> dict[str, Json]:
    """Return the messages of the replies by their status: ``ok``, ``error``, ``other``."""
    given: Sequence[Json] = operation.get("reply", {}).get("messages", ())
    references = [one["$ref"] for one in given]
    return {one.rpartition(".")[2]: message_of(document, one) for one in references}


def response_of(reply: Json) -> Schema:
    response: Schema = reply["payload"]["properties"]["response"]
    return response


def declared_errors(response: Schema) -> Schema | None:
    """Return the schema of the errors that a handler declares; None if it declares none. The last one is Bennu's own."""
    own: list[Schema] = response.get("anyOf", [])[:-1]
    return (own[0] if len(own) == 1 else {"anyOf": own}) if own else None


def credentials_of(document: Json, server: Json) -> set[str]:
    """Return the credentials of a server, as they are sent."""
    known = document.get("components", {}).get("securitySchemes", {})
    names = [one["$ref"].rpartition("/")[2] for one in server.get("security", ())]
    return {f"{known[one]['in']} {known[one]['name']}" for one in names}


def query_of(document: Json, path: str) -> Schema:
    """Return the schema of the parameters of a connect."""
    facts: dict[str, Schema] = document.get(FACTS, {}).get("params", {})
    return facts.get(path, {})


def place_of(channel: Json) -> str:
    facts = channel[FACTS]
    return f"{facts['socket']} {facts['pattern']}"
