"""What the HTTP API takes and answers. The same types decode the requests and make the OpenAPI document. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ..reasons import APIReason

__all__ = [
    "APIAccounts",
    "APIEntry",
    "APIError",
    "APIHistory",
    "APIMessage",
    "APIMistake",
    "APINodes",
    "APIPosition",
    "APIPresences",
    "APIResult",
    "APIResults",
    "APISubscribers",
    "DisconnectRequest",
    "PublishManyRequest",
    "PublishRequest",
]

MAX_NAME: Final = 1024
"""Characters of a topic, an event or an id."""

Topic = Annotated[str, Meta(max_length=MAX_NAME, description="The topic.", examples=["room:1"])]
Event = Annotated[
    str,
    Meta(
        max_length=MAX_NAME,
        description="The name of the event. It does not begin with `phx_`.",
        examples=["new_msg"],
    ),
]
Payload = Annotated[
    Raw,
    Meta(
        description="The payload, a JSON object. Default: `{}`.",
        extra_json_schema={"type": "object", "examples": [{"text": "hello"}]},
    ),
]
Base64 = Annotated[
    bytes,
    Meta(
        description="A binary payload in base64, in place of `payload`.",
        examples=["AP8="],
        extra_json_schema={
            "pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
        },
    ),
]
Confirm = Annotated[
    bool, Meta(description="Whether the answer waits until the bus has taken the message.")
]
NodeCount = Annotated[
    int | None,
    Meta(
        description=(
            "How many nodes have it, with the one that answers. Null if the bus does not know: brokers do not."
            " Absent for a topic with history: each node that follows the topic gets the entry, or reads it."
        )
    ),
]


class APIMessage(Struct, forbid_unknown_fields=True):
    """An event for the clients of a topic."""

    topic: Topic
    event: Event
    payload: Payload | UnsetType = UNSET
    binary: Base64 | UnsetType = UNSET


class PublishRequest(APIMessage, forbid_unknown_fields=True):
    """An event for the clients of a topic, on all nodes."""

    confirm: Confirm = True


class PublishManyRequest(Struct, forbid_unknown_fields=True):
    """Events, which are published in their order."""

    messages: list[APIMessage]
    confirm: Confirm = True


class DisconnectRequest(Struct, forbid_unknown_fields=True):
    """Closes all connections that have an id, on all nodes."""

    id: Annotated[str, Meta(max_length=MAX_NAME, description="The id.", examples=["users:7"])]
    confirm: Confirm = True


class APIPosition(Struct):
    """A place in the log of a topic with history."""

    epoch: Annotated[str, Meta(description="The epoch of the log.", examples=["k3Gx0aPq1Z"])]
    offset: Annotated[int, Meta(description="The offset of an entry; 0 is before the first.")]


class APIResult(Struct, omit_defaults=True):
    """What became of one message."""

    nodes: NodeCount | UnsetType = UNSET
    reason: Annotated[
        str | UnsetType, Meta(description="Why the message was not published; absent if it was.")
    ] = UNSET
    message: str | UnsetType = UNSET
    position: Annotated[
        APIPosition | UnsetType,
        Meta(description="The position of the entry, if the topic has history."),
    ] = UNSET


class APIResults(Struct):
    """What became of each message, in their order."""

    results: list[APIResult]


class APIEntry(Struct):
    """A broadcast of the past."""

    position: APIPosition
    event: Event
    payload: Payload
    time: Annotated[datetime, Meta(description="When it was published, in UTC.")]


class APIHistory(Struct):
    """A part of the history of a topic."""

    topic: str
    entries: Annotated[list[APIEntry], Meta(description="The entries, the oldest first.")]
    newest: Annotated[APIPosition, Meta(description="The position of the newest entry.")]
    missed: Annotated[
        str | None,
        Meta(
            description=(
                "Why entries are missing between `since` and the first entry: `epoch`, `ahead` or `trimmed`."
                " Null if none are missing."
            )
        ),
    ]


class APIPresences(Struct):
    """Who is in a topic, on all nodes."""

    topic: str
    presences: Annotated[
        dict[str, Any],
        Meta(
            description="By key, `metas`: one for each device; and what the presence's `fetch` adds."
        ),
    ]


class APISubscribers(Struct):
    """How many subscribers topics have on the node that answers."""

    node: Annotated[str, Meta(description="The node that answers.")]
    subscribers: Annotated[
        dict[str, int],
        Meta(description="By topic, the number of joined channels and listeners in this process."),
    ]


class APIAccounts(Struct):
    """What became of the messages of topics on one node."""

    node: Annotated[str, Meta(description="The node that answers.")]
    accounts: Annotated[
        dict[str, dict[str, Any]],
        Meta(
            description=(
                "By topic, the numbers since the start of the node. `due` is the sum of `delivered`, `own`, `handled`,"
                " `waiting`, `behind`, `cut` and the numbers in `dropped`."
            )
        ),
    ]


class APINodes(Struct):
    """The nodes that serve clients."""

    node: Annotated[str, Meta(description="The node that answers.")]
    nodes: Annotated[list[str], Meta(description="All nodes that it knows, with itself.")]


class APIMistake(Struct):
    """A mistake in a request."""

    path: Annotated[str, Meta(description="Where, for example `messages[3].event`.")]
    message: str


class APIError(Struct, omit_defaults=True):
    """Why a request was refused."""

    reason: Annotated[
        str, Meta(extra_json_schema={"enum": sorted({one.text for one in APIReason})})
    ]
    message: str
    errors: list[APIMistake] | UnsetType = UNSET
