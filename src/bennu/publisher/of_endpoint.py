"""What a publisher takes from an endpoint: its bus, its messages, its store and its histories."""

from __future__ import annotations

from typing import Protocol

from ..errors import DefinitionError
from ..history.logs import Logs
from ..pubsub import PubSub
from .given_logs import GivenLogs

__all__ = ["HasPubSub", "bus_of", "logs_of_endpoint", "pubsub_of"]

SUBJECT = "Publisher.of(endpoint)"


class HasPubSub(Protocol):
    """An :class:`~bennu.Endpoint`, which lies in a room above."""

    pubsub: PubSub


def pubsub_of(endpoint: HasPubSub) -> PubSub:
    """Return the PubSub of an endpoint.

    Raises:
        DefinitionError: It is no endpoint.
    """
    pubsub: object = getattr(endpoint, "pubsub", None)
    if isinstance(pubsub, PubSub):
        return pubsub
    raise DefinitionError(
        SUBJECT,
        expected="an Endpoint",
        got=repr(endpoint),
        write="Publisher.of(endpoint), with what Endpoint(...) returned",
    )


def bus_of(pubsub: PubSub) -> str:
    """Return the address of the bus of an endpoint.

    Raises:
        DefinitionError: The endpoint has no bus, or no address of it.
    """
    bus = pubsub.bus.bus
    if isinstance(bus, str) and not pubsub.is_alone:
        return bus
    raise DefinitionError(
        SUBJECT,
        expected="an endpoint with the address of a bus, which a publisher reaches from its own process",
        got="an endpoint without a bus" if pubsub.is_alone else f"its adapter {type(bus).__name__}",
        write='Endpoint(pubsub="ipc:///run/chat"), or set the variable BENNU_PUBSUB',
    )


def logs_of_endpoint(pubsub: PubSub) -> GivenLogs | None:
    """Return the histories and the store of an endpoint; None if no channel has history.

    Raises:
        DefinitionError: The address of the store can't be used.
    """
    logs = pubsub.logs
    return GivenLogs(logs.histories, logs.source, logs) if isinstance(logs, Logs) else None
