"""``bennu accounts``: what became of the messages of topics on a node, as the HTTP API of a running application says it.

Bennu needs no HTTP client elsewhere, so this uses the one of the standard library (``urllib.request``). It follows no redirect,
because the key would go to the other address too.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit, urlunsplit

import click
import msgspec

from ..auth.no_redirects import NoRedirects
from ..logs.printable import printable
from .parameters import Seconds, env_file_option

__all__ = ["accounts"]

KEY_VARIABLE: Final = "BENNU_API_KEY"

API: Final = "/api"
"""The path of the API if the URL has none: the default of ``Api(path=...)``."""

ALWAYS: Final = ("messages", "due", "delivered")
"""The columns that are always shown. Any other column is shown if it has a number above 0."""

MOST: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read, at most. Ten thousand topics with all numbers are 5 MB."""

TOPIC_WIDTH: Final = 60
"""Characters of a topic in the table."""

ADVICE: Final = "write bennu accounts http://HOST:PORT/api, with the path of Endpoint(api=Api(path=...)) below its mount"


class _Accounts(msgspec.Struct):
    """The answer of the API. A newer node may say more."""

    node: str
    accounts: dict[str, dict[str, int | dict[str, int]]]


@click.command()
@click.argument("url")
@click.option(
    "--key",
    envvar=KEY_VARIABLE,
    show_envvar=True,
    help="A key of the API: one of Endpoint(api=Api(keys=...)).",
)
@click.option("--topic", help="The only topic to show.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer of the API, for tools.")
@click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="The most seconds for each step of the request.",
)
@env_file_option
def accounts(
    url: str, key: str | None, topic: str | None, timeout: float, *, as_json: bool
) -> None:
    """Show what became of the messages of each topic on one node.

    URL is the HTTP API of the application, http://localhost:4000/api. Without a path it is /api. The node that answers counts
    for itself. docs/telemetry.md explains the numbers.

    \b
    BENNU_API_KEY=... bennu accounts http://localhost:4000
    bennu accounts https://chat.example.com/rt/api --topic room:1 --json

    The exit code is 0 if the API has answered, 1 if it has not, and 2 if the command is wrong.
    """
    address = _address(url)
    if not key:
        raise click.UsageError(
            f"no key: set {KEY_VARIABLE}, or write --key with one of Endpoint(api=Api(keys=...))"
        )
    if not key.isascii() or any(ord(one) <= 32 or ord(one) == 127 for one in key):
        raise click.UsageError("--key: expected visible ASCII characters, as in Api(keys=...)")
    query = "" if topic is None else "?" + urlencode({"topic": topic}, errors="surrogateescape")
    body = _get(address, f"{address}/accounts{query}", key, timeout)
    try:
        answer = msgspec.json.decode(body, type=_Accounts)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _no_api(address, "it answered something else") from error
    if as_json:
        click.echo(body)
    elif not answer.accounts:
        of = "any topic" if topic is None else printable(topic)
        click.echo(f"The node {printable(answer.node)} has passed on no message of {of}")
    else:
        click.echo(
            f"The node {printable(answer.node)}, since its start:\n{_table(answer.accounts)}"
        )


def _address(url: str) -> str:
    """Return the URL of the API, without a slash at the end.

    Raises:
        click.UsageError: It is none.
    """
    error = click.UsageError(
        f"URL: expected the HTTP API of the application, without a user or a password in it: {ADVICE}"
    )
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        raise error from None
    if not is_url or parts.username is not None or not url.isascii() or " " in url:
        raise error
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") or API, "", ""))


def _get(address: str, url: str, key: str, timeout: float) -> bytes:
    """Return the body of the answer.

    Args:
        address: The URL of the API.
        url: The URL of the request.
        key: The key of the API.
        timeout: Seconds for each step.

    Raises:
        click.ClickException: The API can't be reached, or refuses.
    """
    # X-Api-Key, because a proxy can use Authorization for itself.
    request = urllib.request.Request(url, headers={"X-Api-Key": key})  # noqa: S310 - the scheme was checked
    opener = urllib.request.build_opener(NoRedirects())
    try:
        with opener.open(request, timeout=timeout) as answer:
            body: bytes = answer.read(MOST)
            return body
    except HTTPError as error:
        with error:
            raise _refused(address, error) from error
    except TimeoutError as error:
        raise click.ClickException(f"{address} has not answered within {timeout:g} s") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        text = printable(getattr(reason, "strerror", None) or reason)
        raise click.ClickException(
            f"{address} can't be reached ({text}): is the server running there?"
        ) from error


def _refused(address: str, error: HTTPError) -> click.ClickException:
    """Return what an answer with another status than 200 means."""
    if 300 <= error.code < 400:
        where = printable(error.headers.get("Location", "another address"))
        return click.ClickException(
            f"{address} redirects to {where}, and the key is sent to no other address than yours:"
            " write the URL to which it redirects, without /accounts"
        )
    try:
        said = json.loads(error.read(MOST))
        reason, message = str(said["reason"]), str(said["message"])
    except (OSError, HTTPException, ValueError, LookupError, TypeError, RecursionError):
        return _no_api(address, f"it answered {error.code}")
    if error.code == 401:
        return click.ClickException(
            f"{address} refused the key ({printable(reason)}): write one of Endpoint(api=Api(keys=...)) into"
            f" {KEY_VARIABLE}"
        )
    return click.ClickException(f"{address} refused ({printable(reason)}): {printable(message)}")


def _no_api(address: str, why: str) -> click.ClickException:
    return click.ClickException(f"{address} is no HTTP API of Bennu, {why}: {ADVICE}")


def _table(rows: Mapping[str, Mapping[str, int | Mapping[str, int]]]) -> str:
    """Return the accounts as lines, the topics in their order."""
    names = list(dict.fromkeys(name for account in rows.values() for name in account))
    shown = [
        name
        for name in names
        if name in ALWAYS or any(_total(account.get(name, 0)) for account in rows.values())
    ]
    lines = [["topic", *shown]]
    notes: list[str] = [""]
    for topic in sorted(rows):
        account = rows[topic]
        numbers = [str(_total(account.get(name, 0))) for name in shown]
        lines.append([printable(topic, TOPIC_WIDTH), *numbers])
        notes.append(_reasons(account))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join((line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:]), note)).rstrip()
        for line, note in zip(lines, notes, strict=True)
    )


def _total(number: int | Mapping[str, int]) -> int:
    return number if isinstance(number, int) else sum(number.values())


def _reasons(account: Mapping[str, int | Mapping[str, int]]) -> str:
    """Return the numbers by their reasons: ``dropped: too_slow 3``."""
    return "; ".join(
        f"{name}: {', '.join(f'{printable(reason)} {count}' for reason, count in numbers.items())}"
        for name, numbers in account.items()
        if isinstance(numbers, Mapping) and numbers
    )
