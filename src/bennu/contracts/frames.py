"""What the frames of Phoenix look like, for an AsyncAPI document: the parts that no application chooses. Pure.

Protocol document, §2.1. Bennu's own names begin with ``phx.``, so that no class of a user has the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..message import EXPIRING, HEARTBEAT, NEW_TOKEN, OK, PHX_CLOSE, PHX_ERROR, PHX_LEAVE
from ..reasons import Reason
from .draft7 import PREFIX, Schema

__all__ = [
    "DESCRIPTION",
    "END_MESSAGES",
    "LEAVE",
    "OWN_SCHEMAS",
    "PHOENIX_MESSAGES",
    "TRAIT",
    "TRAITS",
    "refusal_schema",
    "reply_payload",
    "shown",
]

DESCRIPTION: Final = """\
Topics over one connection, on the wire format of Phoenix Channels (`vsn=2.0.0`).

Each message is one text frame with a JSON array: `[join_ref, ref, topic, event, payload]`. The payloads below are the last
element. The first four are the headers of each message. A binary payload has a binary frame instead.

A client joins a topic with the event `phx_join`. The reply to a join or a push has the event `phx_reply`, the `ref` of what it
replies to, and the payload `{"status": "ok" | "error", "response": ...}`. An error has a `reason`. A client sends a heartbeat
every 30 seconds. Stock clients do all of this."""

TEXT: Final[Schema] = {"type": "string"}
REF: Final[Schema] = {
    "type": ["string", "integer", "null"],
    "description": "A text or a number that the client chooses. The server sends it back.",
}

OWN_SCHEMAS: Final[dict[str, Schema]] = {
    "phx.Frame": {
        "description": "A text frame.",
        "type": "array",
        "items": [REF, REF, TEXT, TEXT, {}],
        "minItems": 5,
        "maxItems": 5,
        "examples": [["1", "2", "room:7", "new_msg", {"body": "hi"}]],
    },
    "phx.Mistake": {
        "description": "What is wrong at one place of a payload.",
        "type": "object",
        "properties": {"path": TEXT, "message": TEXT},
        "required": ["path", "message"],
    },
}
"""Schemas of every document."""

TRAIT: Final = {"$ref": "#/components/messageTraits/frame"}
TRAITS: Final[dict[str, Any]] = {
    "frame": {
        "headers": {
            "description": "The first four elements of the array.",
            "type": "object",
            "properties": {"join_ref": REF, "ref": REF, "topic": TEXT, "event": TEXT},
            "required": ["join_ref", "ref", "topic", "event"],
        },
        "correlationId": {
            "description": "A reply has the ref of the message that it replies to.",
            "location": "$message.header#/ref",
        },
    }
}


def refusal_schema(reasons: Sequence[Reason], refusals: Sequence[str]) -> Schema:
    """Return the schema of the response of an error reply.

    Args:
        reasons: The reasons of Bennu.
        refusals: The application's own reasons, as far as its source names them. There can be more.
    """
    known: list[Schema] = [
        *({"const": one, "description": "A reason of the application."} for one in refusals),
        *({"const": one.text, "description": shown(one)} for one in reasons),
    ]
    fields: dict[str, Schema] = {"reason": {"anyOf": [*known, TEXT]}}
    if Reason.INVALID_PAYLOAD in reasons:
        fields["errors"] = {"type": "array", "items": {"$ref": f"{PREFIX}phx.Mistake"}}
    waits = (
        Reason.RATE_LIMITED,
        Reason.STILL_RUNNING,
        Reason.STORE_UNAVAILABLE,
        Reason.HISTORY_UNAVAILABLE,
    )
    if any(one in reasons for one in waits):
        fields["retry_after_ms"] = {"type": "integer", "minimum": 0}
    return {"type": "object", "properties": fields, "required": ["reason"]}


def reply_payload(status: Schema, response: Schema) -> Schema:
    """Return the schema of the payload of a reply.

    Args:
        status: The schema of the status.
        response: The schema of the response.
    """
    return {
        "type": "object",
        "properties": {"status": status, "response": response},
        "required": ["status", "response"],
    }


def shown(reason: Reason) -> str:
    """Return the meaning of a reason as a sentence."""
    return f"{reason.meaning[0].upper()}{reason.meaning[1:]}."


def _message(event: str, summary: str, payload: Schema) -> dict[str, Any]:
    return {"name": event, "summary": summary, "payload": payload, "traits": [TRAIT]}


NOTHING_SENT: Final[Schema] = {"type": "object", "properties": {}}
DONE: Final = _message("phx_reply", "It is done.", reply_payload({"const": OK}, {"type": "object"}))
LEAVE: Final = {
    "phx_leave": _message(PHX_LEAVE, "Leave the topic.", NOTHING_SENT),
    "phx_leave.ok": DONE,
}
END_MESSAGES: Final = {
    "phx_close": _message(
        PHX_CLOSE,
        "The channel has ended, and the client stays away from the topic.",
        {"type": "object"},
    ),
    "phx_error": _message(
        PHX_ERROR, "The channel has ended by an error. The client joins again.", {"type": "object"}
    ),
}
PHOENIX_MESSAGES: Final[dict[str, dict[str, Any]]] = {
    "heartbeat": _message(HEARTBEAT, "The client is there.", NOTHING_SENT),
    "heartbeat.ok": DONE,
    "token": _message(
        NEW_TOKEN,
        "A new token for the open connection.",
        {"type": "object", "properties": {"token": TEXT}, "required": ["token"]},
    ),
    "token.ok": DONE,
    "token.error": _message(
        "phx_reply",
        "The new token is refused.",
        reply_payload(
            {"const": "error"},
            refusal_schema(
                (Reason.REFRESHING, Reason.REFRESH_CRASHED, Reason.TOKEN_OF_ANOTHER), ()
            ),
        ),
    ),
    "token_expiring": _message(
        EXPIRING,
        "The time of the token is nearly over.",
        {
            "type": "object",
            "properties": {"expires_in_ms": {"type": "integer"}},
            "required": ["expires_in_ms"],
        },
    ),
}
"""The messages on the topic ``phoenix``, which belongs to the connection."""
