"""What a test client raises if the server refuses it."""

from __future__ import annotations

from typing import Any, cast

__all__ = ["ConnectRefused", "JoinRefused", "PushRefused"]


class ConnectRefused(Exception):
    """The endpoint refused the connection.

    Attributes:
        status: The HTTP status of the answer; 101 if the socket keeps refused clients to tell them why.
        reason: The reason that ``connect`` raised, or else the text of the answer.
    """

    def __init__(self, path: str, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(
            f"{path} refused the connection ({status}): {reason or 'without a reason'}"
        )


class JoinRefused(Exception):
    """The channel refused the join.

    Attributes:
        topic: The topic.
        response: The response of the error reply.
        reason: Its reason, or an empty text.
    """

    def __init__(self, topic: str, response: Any) -> None:
        self.topic = topic
        self.response = response
        self.reason = _reason_of(response)
        super().__init__(f"the join of {topic!r} was refused: {response!r}")


class PushRefused(Exception):
    """The reply to a push has another status than ok.

    Attributes:
        status: The status of the reply.
        response: Its response.
        reason: The reason in the response, or an empty text.
    """

    def __init__(self, event: str, status: str, response: Any) -> None:
        self.status = status
        self.response = response
        self.reason = _reason_of(response)
        super().__init__(f"the reply to {event!r} is {status}: {response!r}")


def _reason_of(response: Any) -> str:
    answer = cast("dict[str, Any]", response) if isinstance(response, dict) else {}
    return str(answer.get("reason", ""))
