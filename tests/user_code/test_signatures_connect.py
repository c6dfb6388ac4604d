"""The arguments of ``connect``, and the parameters that are refused at start-up."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Depends
from msgspec import Struct
from pydantic import BaseModel

from bennu import (
    Channel,
    ConnectInfo,
    DefinitionError,
    Endpoint,
    Refused,
    Socket,
)
from bennu.connector import Connector

from ..support.memory import endpoint_of, ok, serve


class Msg(Struct):
    body: str


class Strict(Struct, forbid_unknown_fields=True):
    token: str


class Extra(BaseModel, extra="forbid"):
    token: str


class Tags(Struct, forbid_unknown_fields=True):
    tags: list[str]


@pytest.mark.parametrize(
    "connect",
    [
        *("token", "two", "three", "keyword", "star", "depends", "twice", "list"),
    ],
)
def test_a_connect_whose_parameters_are_of_the_query_is_told_to_name_them_in_a_type(
    connect: str,
) -> None:
    """The error says to name query parameters in a type."""
    with pytest.raises(DefinitionError) as raised:
        Endpoint({"/s": Socket(connect=globals()[f"_connect_{connect}"], channels={})})

    assert raised.value.where is not None


async def _connect_token(token: str) -> None: ...
async def _connect_two(token: str, room: int) -> None: ...
async def _connect_three(token: str, room: int, more: int) -> None: ...
async def _connect_keyword(*, token: str) -> None: ...
async def _connect_star(**params: Any) -> None: ...
async def _connect_depends(params: dict[str, Any], db: Any = Depends(dict)) -> None: ...  # noqa: B008
async def _connect_twice(info: ConnectInfo, more: ConnectInfo) -> None: ...
async def _connect_list(params: list[str]) -> None: ...


def test_the_write_line_of_a_token_is_the_type_to_write() -> None:
    """The ``write`` line has the type as code."""
    with pytest.raises(DefinitionError) as raised:
        Connector[Any](_connect_token).define()

    assert "class ConnectParams(Struct): token: str" in raised.value.write
    assert "connect(params: ConnectParams, info: ConnectInfo)" in raised.value.write


def test_connect_gets_the_info_where_it_asks_for_it() -> None:
    """``connect`` gets the info by the parameter's annotation or name, alone or as the first parameter."""

    async def alone(info: ConnectInfo) -> None: ...
    async def optional(request: ConnectInfo | None) -> None: ...
    async def in_front(info: ConnectInfo, params: Msg) -> None: ...
    async def mixed(params: Any, info: ConnectInfo) -> None: ...
    async def half(params, info: ConnectInfo) -> None: ...  # type: ignore[no-untyped-def]
    async def other_half(params: Msg, rest) -> None: ...  # type: ignore[no-untyped-def]

    info = ConnectInfo({"path": "/", "headers": []}, transport="websocket")
    params = {"body": "x"}
    cases: list[tuple[Any, tuple[Any, ...]]] = [
        (alone, (info,)),
        (optional, (info,)),
        (lambda info: None, (info,)),
        (lambda params: None, (params,)),
        (lambda a, b: None, (params, info)),
        (in_front, (info, Msg("x"))),
        (mixed, (params, info)),
        (half, (params, info)),
        (other_half, (Msg("x"), info)),
        (lambda: None, ()),
    ]
    for connect, expected in cases:
        connector: Connector[Any] = Connector(connect)
        connector.define()
        assert connector.arguments(params, info) == expected


@pytest.mark.parametrize("kind", [Strict, Extra])
def test_a_strict_type_of_params_does_not_meet_ours(kind: Any) -> None:
    """A strict type of params does not get `vsn` and the session's token. Other unknown parameters are refused."""

    def connect(params: Any) -> None: ...

    connect.__annotations__["params"] = kind
    info = ConnectInfo({"path": "/", "headers": []}, transport="websocket")
    polling = ConnectInfo({"path": "/", "headers": []}, transport="longpoll")
    connector: Connector[Any] = Connector(connect)
    connector.define(["vsn", "_csrf_token"])

    found = connector.arguments({"token": "x", "vsn": "2.0.0", "_csrf_token": "y"}, info)
    assert found == (kind(token="x"),)
    for params in ({"token": "x", "vsn": "2.0.0", "more": "1"}, {"vsn": "2.0.0"}, {}):
        for one in (info, polling):
            with pytest.raises(Refused):
                connector.arguments(params, one)


async def test_the_stock_clients_parameters_reach_strict_types() -> None:
    """Over a connection: a strict type takes the stock client's vsn and its lists, which have numbers as keys."""

    async def connect(params: Tags) -> list[str]:
        return params.tags

    class Room(Channel[list[str]]):
        async def join(self) -> dict[str, list[str]]:
            return {"tags": self.assigns}

    endpoint = endpoint_of({"room": Room}, connect=connect, id=None)
    async with serve(endpoint) as server:
        client = await server.connect(params={"tags[0]": "a", "tags[1]": "b"})
        assert await client.join("room") == ok({"tags": ["a", "b"]})
