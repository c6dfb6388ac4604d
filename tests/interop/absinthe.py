"""A channel that answers GraphQL documents as Absinthe (Elixir's GraphQL) does on Phoenix channels.

A client joins `__absinthe__:control` and pushes `doc`. The reply to a query or mutation is its result. The reply
to a subscription is `{"subscriptionId": id}`, and its results follow as `subscription:data`, until the client
pushes `unsubscribe`. Absinthe sends these frames on a topic named after the subscription. This channel pushes them
on its own topic, because the client uses the `subscriptionId` in the payload.

An operation named Crash crashes the channel, and one named Disconnect closes the connection.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    get_operation_ast,
    graphql,
    parse,
)
from msgspec import Struct

from bennu import Broadcast, Channel, Error, Refused, Socket, on, on_info

__all__ = ["absinthe"]

SCHEMA = build_schema(
    """
    type Query { greeting(name: String!): String }
    type Mutation { say(text: String!): String }
    type Subscription { said: String }
    """
)

numbers = itertools.count(1)


class Document(Struct):
    """The payload of `doc`."""

    query: str
    variables: dict[str, Any]


class ControlChannel(Channel[str]):
    """The channel that each client joins."""

    subscriptions: dict[str, Callable[[], None]]

    async def join(self) -> None:
        if self.assigns == "mallory":
            raise Refused("unauthorized")
        self.subscriptions = {}

    @on("doc")
    async def doc(self, payload: Document) -> Any:
        try:
            operation = get_operation_ast(parse(payload.query))
        except GraphQLError as error:
            return Error({"errors": [error.formatted]})
        match name_of(operation):
            case "Crash":
                raise RuntimeError("a client asked for it")
            case "Disconnect":
                await self.endpoint.disconnect(self.connection.id)
        if operation is not None and operation.operation is OperationType.SUBSCRIPTION:
            return self.listen()
        variables = payload.variables
        result = await graphql(
            SCHEMA, payload.query, root_value=Root(self.endpoint), variable_values=variables
        )
        if result.data is None:
            return Error({"errors": [error.formatted for error in result.errors or ()]})
        return result.formatted

    def listen(self) -> dict[str, str]:
        name = f"__absinthe__:doc:{next(numbers)}"
        self.subscriptions[name] = self.subscribe("graphql:said")
        return {"subscriptionId": name}

    @on_info(Broadcast)
    async def said(self, message: Broadcast) -> None:
        for name in self.subscriptions:
            await self.push(
                "subscription:data", {"subscriptionId": name, "result": {"data": message.payload}}
            )

    @on("unsubscribe")
    async def unsubscribe(self, payload: dict[str, str]) -> dict[str, str]:
        name = payload["subscriptionId"]
        self.subscriptions.pop(name)()
        return {"subscriptionId": name}


class Root:
    """The resolvers."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    def greeting(self, info: Any, name: str) -> str:
        return f"Hello, {name}!"

    async def say(self, info: Any, text: str) -> str:
        await self._endpoint.broadcast("graphql:said", "said", {"said": text})
        return text


def name_of(operation: OperationDefinitionNode | None) -> str | None:
    return operation.name.value if operation is not None and operation.name is not None else None


class Params(Struct):
    """The query parameters of a connect."""

    user: str = "anonymous"


async def connect(params: Params) -> str:
    return params.user


absinthe = Socket(
    connect=connect,
    id=lambda user: f"graphql:{user}",
    channels={"__absinthe__:control": ControlChannel},
)
