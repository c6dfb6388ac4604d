"""Connects to a server of Redis, and logs in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hiredis import ReplyError

from ..broker.driver import Hear
from .connection import RedisConnection
from .options import RedisOptions, RedisPlace
from .refusals import refusal

__all__ = ["connect_to"]


async def connect_to(
    place: RedisPlace,
    options: RedisOptions,
    names: dict[bytes, str],
    hear: Hear,
    lost: Callable[[RedisConnection, Exception], object],
    refused: Callable[[RedisConnection, Any, str], object] | None = None,
    moved: Callable[[RedisConnection, str], object] | None = None,
) -> RedisConnection:
    """Connect to a server and log in. The other arguments are those of :class:`.connection.RedisConnection`.

    Args:
        options: How to log in.

    Raises:
        DefinitionError: The server refuses the login, or is too old.
        OSError: The server can't be reached, or does not answer in time.
    """
    loop = asyncio.get_running_loop()
    connection = RedisConnection(place, names, hear, lost, refused, moved)
    try:
        async with asyncio.timeout(options.timeout):
            if place.path:
                await loop.create_unix_connection(lambda: connection, place.path)
            else:
                await loop.create_connection(
                    lambda: connection, place.host, place.port, ssl=options.tls
                )
            await _log_in(connection, options)
    except BaseException as error:
        connection.drop()
        if isinstance(error, TimeoutError):
            raise ConnectionError(f"{place} did not answer within {options.timeout:g} s") from None
        raise
    return connection


async def _log_in(connection: RedisConnection, options: RedisOptions) -> None:
    """Send who we are, and take what the server is."""
    hello = ["HELLO", "3"]
    if options.password is not None:
        hello += ["AUTH", options.username or "default", options.password]
    if options.client_name is not None:
        hello += ["SETNAME", options.client_name]
    commands = [hello]
    if options.db:
        commands.append(["SELECT", str(options.db)])
    answers = [connection.command(*command) for command in commands]
    results: list[Any] = await asyncio.gather(*answers, return_exceptions=True)
    for command, result in zip(commands, results, strict=True):
        if isinstance(result, ReplyError):
            raise refusal(connection.place, options, command[0], str(result))
        if isinstance(result, BaseException):
            raise result
    connection.facts = results[0]
