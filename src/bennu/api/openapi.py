"""The OpenAPI 3.1 document of the HTTP API, made of the types that decode its requests. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ..reasons import APIReason
from . import types

__all__ = ["OPERATIONS", "APIOperation", "APIParameter", "openapi"]

TEMPLATE: Final = "#/components/schemas/{name}"

GENERAL: Final = (
    APIReason.MALFORMED_HOST,
    APIReason.KEY_MISSING,
    APIReason.KEY_WRONG,
    APIReason.FORBIDDEN_HOST,
    APIReason.WRONG_KEYS,
    APIReason.INTERNAL_ERROR,
    APIReason.TOO_BUSY,
)
"""The reasons of all operations."""

OF_BODIES: Final = (
    APIReason.INVALID_JSON,
    APIReason.BODY_TOO_SLOW,
    APIReason.BODY_TOO_LONG,
    APIReason.WRONG_CONTENT_TYPE,
    APIReason.INVALID_REQUEST,
    APIReason.UNENCODABLE,
    APIReason.RATE_LIMITED,
    APIReason.CUT_OFF,
    APIReason.NOT_CONFIRMED,
)
"""The reasons of operations with a body."""


class APIParameter(NamedTuple):
    """A parameter of a query.

    Attributes:
        name: Its name.
        description: Its explanation.
        required: Whether it is needed.
        repeats: Whether it can be there several times.
    """

    name: str
    description: str
    required: bool = True
    repeats: bool = False


class APIOperation(NamedTuple):
    """One operation of the API.

    Attributes:
        method: The HTTP method.
        path: The path below the path of the API.
        name: The name of the operation.
        summary: One line about it.
        answer: The type of the answer.
        reasons: The reasons that only this operation has.
        request: The type of the body; None for a GET.
        parameters: The parameters of the query.
    """

    method: str
    path: str
    name: str
    summary: str
    answer: type[msgspec.Struct]
    reasons: tuple[APIReason, ...] = ()
    request: type[msgspec.Struct] | None = None
    parameters: tuple[APIParameter, ...] = ()


OPERATIONS: Final = (
    APIOperation(
        "POST",
        "/publish",
        "publish",
        "Send an event to the clients of a topic, on all nodes.",
        types.APIResult,
        (APIReason.RESERVED_EVENT, APIReason.STORE_UNAVAILABLE),
        types.PublishRequest,
    ),
    APIOperation(
        "POST",
        "/publish_many",
        "publishMany",
        "Publish several events in their order. Each has a result of its own.",
        types.APIResults,
        (),
        types.PublishManyRequest,
    ),
    APIOperation(
        "POST",
        "/disconnect",
        "disconnect",
        "Close all connections that have an id, on all nodes. Stock clients connect again.",
        types.APIResult,
        (),
        types.DisconnectRequest,
    ),
    APIOperation(
        "GET",
        "/presences",
        "presences",
        "Who is in a topic, on all nodes.",
        types.APIPresences,
        (APIReason.INVALID_REQUEST, APIReason.UNKNOWN_PRESENCE),
        parameters=(
            APIParameter("topic", "The topic."),
            APIParameter("presence", "The name of the presence, if there are several.", False),
        ),
    ),
    APIOperation(
        "GET",
        "/subscribers",
        "subscribers",
        "How many subscribers topics have on the node that answers.",
        types.APISubscribers,
        (APIReason.INVALID_REQUEST,),
        parameters=(APIParameter("topic", "A topic; at most 100.", repeats=True),),
    ),
    APIOperation(
        "GET",
        "/history",
        "history",
        "Broadcasts of the past of a topic with history.",
        types.APIHistory,
        (APIReason.INVALID_REQUEST, APIReason.NO_HISTORY, APIReason.STORE_UNAVAILABLE),
        parameters=(
            APIParameter("topic", "The topic."),
            APIParameter(
                "since",
                "A position, as `17:k3Gx0aPq1Z`. The answer has the oldest entries after it. Default: the newest entries.",
                False,
            ),
            APIParameter("before", "A position. The answer has only entries before it.", False),
            APIParameter("limit", "The most entries, from 1 to 1000. Default: 100.", False),
        ),
    ),
    APIOperation(
        "GET",
        "/accounts",
        "accounts",
        "What became of the messages of topics on the node that answers: delivered, dropped, and so on.",
        types.APIAccounts,
        (APIReason.INVALID_REQUEST,),
        parameters=(APIParameter("topic", "The only topic. Default: all topics.", False),),
    ),
    APIOperation("GET", "/nodes", "nodes", "The nodes that serve clients.", types.APINodes),
)


def openapi(url: str, version: str) -> dict[str, Any]:
    """Return the document.

    Args:
        url: The path of the API, as clients see it.
        version: The version of Bennu.
    """
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths[operation.path] = {operation.method.lower(): _operation(operation)}
    paths["/openapi.json"] = {
        "get": {
            "operationId": "openapi",
            "summary": "This document.",
            "security": [],
            "responses": {
                "200": {
                    "description": "The document.",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                **_refusals((APIReason.MALFORMED_HOST, APIReason.FORBIDDEN_HOST)),
            },
        }
    }
    known = [one.answer for one in OPERATIONS]
    requests = [one.request for one in OPERATIONS if one.request is not None]
    _, schemas = msgspec.json.schema_components(
        [*known, *requests, types.APIError], ref_template=TEMPLATE
    )
    for name in ("APIMessage", "PublishRequest"):
        schemas[name]["not"] = {"required": ["payload", "binary"]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bennu",
            "version": version,
            "description": "Publish to the clients of this application, and ask who is there.",
        },
        "servers": [{"url": url}],
        "security": [{"bearer": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _operation(operation: APIOperation) -> dict[str, Any]:
    reasons = (*GENERAL, *operation.reasons)
    found: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    if operation.request is not None:
        reasons = (*reasons, *OF_BODIES)
        found["requestBody"] = {"required": True, "content": _content(operation.request)}
    else:
        found["parameters"] = [_parameter(one) for one in operation.parameters]
    found["responses"] = {
        "200": {"description": "It is done.", "content": _content(operation.answer)},
        **_refusals(reasons),
    }
    return found


def _parameter(parameter: APIParameter) -> dict[str, Any]:
    text = {"type": "string", "maxLength": types.MAX_NAME}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": {"type": "array", "items": text, "minItems": 1, "maxItems": 100}
        if parameter.repeats
        else text,
    }


def _refusals(reasons: Sequence[APIReason]) -> dict[str, Any]:
    """Return the answers that refuse, by status."""
    texts: dict[str, list[str]] = {}
    for reason in sorted(reasons, key=lambda one: (one.status, one.text)):
        texts.setdefault(str(reason.status), []).append(f"`{reason.text}`: {reason.meaning}.")
    return {
        status: {"description": "\n\n".join(lines), "content": _content(types.APIError)}
        for status, lines in texts.items()
    }


def _content(kind: type[Any]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": TEMPLATE.format(name=kind.__name__)}}}
