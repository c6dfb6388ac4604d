"""The table of changes between two contracts: which of them break a client. Pure.

``docs/contracts.md`` shows this table to users. A test compares the page with it.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["ContractRule"]


class ContractRule(Enum):
    """A kind of change, and what it does to a client that was written for the old contract.

    Attributes:
        text: The name of the rule.
        breaks: Whether it breaks a client.
        meaning: What the change does.
    """

    # Connecting.
    SOCKET_REMOVED = (
        "socket-removed",
        True,
        "clients connect to a path that is not there any more",
    )
    SOCKET_ADDED = ("socket-added", False, "clients do not connect to it")
    TRANSPORT_REMOVED = (
        "transport-removed",
        True,
        "clients that can use only this transport can't connect",
    )
    TRANSPORT_ADDED = ("transport-added", False, "clients need not use it")
    SECURITY_ADDED = ("security-added", True, "clients that send no such credential can be refused")
    SECURITY_REMOVED = ("security-removed", False, "what clients send is ignored")

    LIMIT_LOWERED = (
        "limit-lowered",
        True,
        "clients that were within the limit are refused, or their connection is closed",
    )
    LIMIT_RAISED = ("limit-raised", False, "clients can do more")

    # Topics.
    TOPIC_REMOVED = ("topic-removed", True, "joins of the topic are refused")
    TOPIC_ADDED = ("topic-added", False, "clients do not join it")
    PARAMETER_NARROWED = ("parameter-narrowed", True, "joins of some topics are refused")
    PARAMETER_WIDENED = ("parameter-widened", False, "more topics can be joined")
    HISTORY_REMOVED = (
        "history-removed",
        True,
        "clients that were away miss what was sent meanwhile",
    )
    HISTORY_ADDED = ("history-added", False, "clients need not ask for it")
    HISTORY_SHORTENED = (
        "history-shortened",
        False,
        "clients that were away for long load the state anew more often",
    )

    # Events of clients.
    EVENT_IN_REMOVED = ("event-in-removed", True, "pushes of the event are refused")
    EVENT_IN_ADDED = ("event-in-added", False, "clients do not push it")
    REPLY_REMOVED = ("reply-removed", True, "clients wait for a reply until their time is over")
    REPLY_ADDED = ("reply-added", False, "clients ignore a reply that they do not wait for")
    REPLY_UNCERTAIN = ("reply-uncertain", True, "clients can wait for a reply that never comes")
    REPLY_CERTAIN = ("reply-certain", False, "each push gets a reply")
    RATE_LOWERED = (
        "rate-lowered",
        True,
        "pushes that were accepted are refused with `rate_limited`",
    )
    RATE_RAISED = ("rate-raised", False, "clients can push faster")
    IDEMPOTENCE_REMOVED = (
        "idempotence-removed",
        True,
        "a push that a client repeats is handled twice",
    )
    IDEMPOTENCE_ADDED = ("idempotence-added", False, "a push that a client repeats is handled once")
    REASON_CHANGED = ("reason-changed", True, "clients look for a reason that has another name now")
    REASON_REMOVED = ("reason-removed", False, "clients look for a reason that never comes")
    REASON_ADDED = ("reason-added", False, "clients handle reasons that they do not know")

    # Events of the server.
    EVENT_OUT_REMOVED = ("event-out-removed", True, "clients wait for an event that never comes")
    EVENT_OUT_ADDED = ("event-out-added", False, "clients ignore events that they do not know")

    # Values that clients send.
    IN_FIELD_REQUIRED = ("in-field-required", True, "values without the field are refused")
    IN_FIELD_OPTIONAL = ("in-field-optional", False, "clients can leave the field out")
    IN_FIELD_ADDED = ("in-field-added", False, "clients can leave the new field out")
    IN_FIELD_REMOVED = ("in-field-removed", False, "the field is ignored")
    IN_FIELD_FORBIDDEN = ("in-field-forbidden", True, "values with the field are refused")
    IN_NARROWED = ("in-narrowed", True, "some values that were accepted are refused")
    IN_WIDENED = ("in-widened", False, "more values are accepted")

    # Values that clients get.
    OUT_FIELD_REMOVED = ("out-field-removed", True, "clients read a field that is not there")
    OUT_FIELD_ADDED = ("out-field-added", False, "clients ignore fields that they do not know")
    OUT_FIELD_OPTIONAL = ("out-field-optional", True, "clients read a field that can be missing")
    OUT_FIELD_REQUIRED = ("out-field-required", False, "the field is always there")
    OUT_WIDENED = ("out-widened", True, "clients get values that they do not know")
    OUT_NARROWED = ("out-narrowed", False, "clients get fewer kinds of values")

    def __init__(self, text: str, breaks: bool, meaning: str) -> None:
        self.text = text
        self.breaks = breaks
        self.meaning = meaning
