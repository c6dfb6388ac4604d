"""``bennu accounts``: its table, its JSON, and what it says when there is no answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bennu import Api, Channel, Endpoint, Socket
from bennu.cli import main

from ..support import servers, wire

pytestmark = pytest.mark.clock("real")

KEY = "a-key-of-at-least-20-bytes"


class Room(Channel[Any]):
    """A room."""


async def call(*arguments: str, key: str | None = KEY) -> Result:
    """Run the command in this process, beside the event loop."""
    given = [] if key is None else ["--key", key]

    def run() -> Result:
        return CliRunner().invoke(main, ["accounts", *arguments, *given], env={"NO_COLOR": "1"})

    result = await asyncio.to_thread(run)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert KEY not in result.output
    return result


@asynccontextmanager
async def serving(**options: Any) -> AsyncGenerator[tuple[Endpoint, str]]:
    """Serve an endpoint with the API, on which two topics had messages. Yield it and its URL."""
    socket: Socket[Any] = Socket(connect=lambda: None, channels={"room:*": Room})
    endpoint = Endpoint(sockets={"/socket": socket}, api=Api(keys={"ops": KEY}, **options))
    async with servers.serve("native", endpoint) as server, wire.connect(server) as ann:
        for topic, ref in (("room:2", "1"), ("room:1", "2")):
            await ann.join(topic, ref=ref)
        for topic, count in (("room:1", 12), ("room:2", 1)):
            for _ in range(count):
                await endpoint.broadcast(topic, "news", {})
                await ann.receive()
        yield endpoint, f"http://127.0.0.1:{server.port}"


async def test_a_table_of_all_topics() -> None:
    """Columns of zeros are left out. Topics are in their order."""
    async with serving() as (endpoint, url):
        result = await call(url)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == (
            f"The node {endpoint.pubsub.node}, since its start:\n"
            "topic   messages  due  delivered\n"
            "room:1        12   12         12\n"
            "room:2         1    1          1\n"
        )


async def test_one_topic_as_json() -> None:
    """The key can be in a variable or a file of variables. A topic can have any characters."""
    async with serving(path="/rt/api") as (endpoint, url):
        result = await call(f"{url}/rt/api/", "--json", "--topic", "room:2")
        answer = json.loads(result.stdout)
        assert answer == {"node": endpoint.pubsub.node, "accounts": endpoint.accounts("room:2")}
        result = await call(f"{url}/rt/api", "--topic", "room:&?# é\x1b")
        assert result.stdout.endswith("has passed on no message of room:&?# é\\x1b\n")


async def test_the_key_is_in_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENNU_API_KEY", "")
    monkeypatch.delenv("BENNU_API_KEY")
    (tmp_path / "env").write_text(f"BENNU_API_KEY={KEY}\n")
    async with serving() as (_, url):
        result = await call(url, "--env-file", str(tmp_path / "env"), key=None)
        assert result.exit_code == 0


# Answers of other servers


@asynccontextmanager
async def answering(status: str, body: str, *headers: str) -> AsyncGenerator[str]:
    """Run a server that answers every request the same. Yield its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}", *headers]
        writer.write("\r\n".join([*head, "Connection: close", "", body]).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


ROW = {"messages": 3, "due": 9, "delivered": 4, "own": 0, "waiting": 0, "missed": {"trimmed": 1}}


async def test_reasons_follow_the_numbers_and_nothing_controls_the_terminal() -> None:
    """Clients choose names of topics."""
    rows = {
        "room:\x1b[31m": {**ROW, "dropped": {"too_slow": 3, "binary": 2}},
        "x" * 300: {**ROW, "missed": {}, "dropped": {}},
    }
    async with answering("200 OK", json.dumps({"node": "web", "accounts": rows})) as url:
        result = await call(url)
    head, columns, first, second = result.stdout.splitlines()
    assert head == "The node web, since its start:"
    assert columns.split() == ["topic", "messages", "due", "delivered", "missed", "dropped"]
    assert first.split(maxsplit=6) == [
        *("room:\\x1b[31m", "3", "9", "4", "1", "5"),
        "missed: trimmed 1; dropped: too_slow 3, binary 2",
    ]
    assert second.split()[1:] == ["3", "9", "4", "0", "0"]
    assert len(second) < 120


ANSWERS = {
    "wrong key": (
        ("401 No", '{"reason": "key_wrong", "message": "no"}'),
        "refused the key (key_wrong): write one of Endpoint(api=Api(keys=...)) into BENNU_API_KEY",
    ),
    "busy": (
        ("503 No", '{"reason": "too_many_requests", "message": "later"}'),
        "refused (too_many_requests): later",
    ),
    "no API": (("404 No", "<html>"), "is no HTTP API of Bennu, it answered 404: write bennu"),
    "no object": (("404 No", "[1]"), "is no HTTP API of Bennu, it answered 404: write bennu"),
    "no text": (("500 No", '{"reason": "x"}'), "it answered 500: write bennu"),
    "a page": (("200 OK", "<html>"), "is no HTTP API of Bennu, it answered something else"),
    "a redirect": (
        ("301 Moved", "", "Location: https://example.com/api/accounts"),
        "redirects to https://example.com/api/accounts, and the key is sent to no other address",
    ),
    "no HTTP": (("", ""), "can't be reached ("),
}


@pytest.mark.parametrize(("answer", "text"), ANSWERS.values(), ids=ANSWERS)
async def test_another_answer_is_explained(answer: tuple[str, ...], text: str) -> None:
    async with answering(*answer) as url:
        result = await call(url)
    assert result.exit_code == 1
    assert text in result.stderr
    assert f"{url}/api" in result.stderr


async def test_nobody_answers() -> None:
    result = await call("http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "http://127.0.0.1:1/api can't be reached (Connection refused)" in result.stderr

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = await call(f"http://127.0.0.1:{port}", "--timeout", "0.1")
    assert result.exit_code == 1
    assert "has not answered within 0.1 s" in result.stderr


async def test_a_wrong_key_of_a_real_endpoint() -> None:
    async with serving() as (_, url):
        result = await call(url, key="another-key-of-20-bytes")
        assert result.exit_code == 1
        assert "refused the key (key_wrong)" in result.stderr
        result = await call(f"{url}/elsewhere")
        assert "/elsewhere is no HTTP API of Bennu" in result.stderr


WRONG = {
    "no key": (["http://localhost"], None, "no key: set BENNU_API_KEY"),
    "a key in two lines": (["http://localhost"], "a\r\nb", "visible ASCII"),
    "a key with a umlaut": (["http://localhost"], "schlüssel", "visible ASCII"),
    "a file": (["file:///etc/passwd"], KEY, "URL: expected the HTTP API"),
    "no scheme": (["localhost:4000"], KEY, "write bennu accounts http://HOST:PORT/api"),
    "no host": (["http://"], KEY, "URL: expected"),
    "no port": (["http://localhost:x"], KEY, "URL: expected"),
    "a password": (["http://me:hunter2@localhost"], KEY, "without a user or a password"),
    "a space": (["http://local host"], KEY, "URL: expected"),
}


@pytest.mark.parametrize(("arguments", "key", "text"), WRONG.values(), ids=WRONG)
async def test_a_wrong_command_has_the_exit_code_2(
    arguments: list[str], key: str | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENNU_API_KEY", raising=False)
    result = await call(*arguments, key=key)
    assert result.exit_code == 2
    assert text in result.stderr
    assert "hunter2" not in result.output
