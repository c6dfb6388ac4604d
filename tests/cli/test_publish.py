"""``bennu publish`` and ``bennu disconnect``: their arguments, payloads, exit codes, and real servers that hear them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bennu.bus import IPCAdapter
from bennu.cli import main
from bennu.pubsub.envelope import IDS, TOPICS, Envelope, EnvelopeKind, unpack

from ..bus.ipc.paths import short_directory
from ..cluster.members import V2, enter
from ..cluster.nodes import Node
from ..support.frames import PHX_CLOSE

pytestmark = pytest.mark.clock("real")


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("BENNU_PUBSUB", raising=False)
    with short_directory() as directory:
        yield f"ipc://{directory}"


def call(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run a command in this process."""
    result = CliRunner().invoke(main, arguments, stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result


async def hear(address: str, *arguments: str, stdin: bytes = b"") -> tuple[str, list[Envelope]]:
    """Run a command beside a node that hears ``room:1`` and disconnects. Return its line, and what the node heard."""
    heard: list[Envelope] = []
    adapter = IPCAdapter(address.removeprefix("ipc://"), "web")
    await adapter.start(lambda node, topic, data: heard.append(unpack(data)), lambda loss: None)
    await adapter.subscribe([TOPICS + "room:1", IDS])
    try:
        result = await asyncio.to_thread(call, *arguments, stdin=stdin)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout, heard
    finally:
        await adapter.stop()


async def test_a_message_is_published_and_the_line_says_who_heard_it(address: str) -> None:
    """Numbers of the JSON are not changed."""
    text = '{"n": 12345678901234567890123, "x": 1.10, "é": "⚡"}'
    line, heard = await hear(address, "publish", address, "room:1", "news", text)
    assert line == "news was published to room:1: 1 process heard it\n"
    assert heard == [Envelope(EnvelopeKind.JSON, "news", text.encode())]


async def test_the_environment_can_have_the_address(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """BENNU_PUBSUB is set, or is in the file of ``--env-file``. Then the first argument is the topic."""
    (tmp_path / "env").write_text(f"BENNU_PUBSUB={address}\n")
    monkeypatch.setenv("BENNU_PUBSUB", "")
    monkeypatch.delenv("BENNU_PUBSUB")
    line, heard = await hear(
        address, "publish", "room:1", "news", "--env-file", str(tmp_path / "env")
    )
    assert os.environ["BENNU_PUBSUB"] == address
    assert line.startswith("news was published to room:1")
    assert heard == [Envelope(EnvelopeKind.JSON, "news", b"{}")]


@pytest.mark.parametrize(
    ("arguments", "stdin", "expected"),
    [
        (["-"], b' {"a": 1}\n', (EnvelopeKind.JSON, b'{"a": 1}')),
        (["@{file}"], b"", (EnvelopeKind.JSON, b'{"file": 1}')),
        (["@{file}", "--binary"], b"", (EnvelopeKind.BINARY, b'{"file": 1}\n')),
        (["-", "--binary"], b"\x00\xff", (EnvelopeKind.BINARY, b"\x00\xff")),
        (["text", "--binary"], b"", (EnvelopeKind.BINARY, b"text")),
        (["--binary"], b"", (EnvelopeKind.BINARY, b"")),
    ],
)
async def test_payloads(
    address: str,
    tmp_path: Path,
    arguments: list[str],
    stdin: bytes,
    expected: tuple[EnvelopeKind, bytes],
) -> None:
    """A payload is an argument, a file or the standard input; JSON or bytes."""
    file = tmp_path / "payload"
    file.write_text('{"file": 1}\n')
    given = [one.format(file=file) for one in arguments]
    _, heard = await hear(address, "publish", address, "room:1", "news", *given, stdin=stdin)
    assert [(kind, content) for kind, _, content in heard] == [expected]


async def test_an_id_is_disconnected(address: str) -> None:
    line, heard = await hear(address, "disconnect", address, "users:7")
    assert line == "users:7 is disconnected: 1 process heard it\n"
    assert heard == [Envelope(EnvelopeKind.DISCONNECT, "users:7", b"")]


def test_nobody_serves(address: str) -> None:
    """That is no error, since a message may have no reader; but the address can be a wrong one."""
    result = call("publish", address, "room:1", "news")
    assert result.exit_code == 0
    assert result.stdout == "news was published to room:1: 0 processes heard it\n"
    assert result.stderr.startswith(f"No process serves on {address}: is that the address")


WRONG = {
    "no topic": (["publish", "{address}"], "expected TOPIC EVENT [JSON], got 0 argument(s)"),
    "too many": (["publish", "{address}", "a", "b", "{{}}", "c"], "got 4 argument(s)"),
    "no bus": (["publish", "room:1", "news"], "no bus: write its address first"),
    "no id": (["disconnect", "{address}"], "expected one ID, got 0"),
    "no json": (["publish", "{address}", "a", "b", "{{"], "the payload is no JSON ("),
    "no object": (["publish", "{address}", "a", "b", "[1]"], "no JSON object"),
    "too deep": (["publish", "{address}", "a", "b", '{{"a":' * 200], "128 levels"),
    "no utf-8": (["publish", "{address}", "a", "b", '{{"a": "\udcff"}}'], "the payload is no JSON"),
    "no file": (["publish", "{address}", "a", "b", "@/no/file"], "No such file"),
    "reserved": (["publish", "{address}", "a", PHX_CLOSE], "belong to the protocol"),
    "half a character": (["publish", "{address}", "a", "\udcff"], "half a character"),
    "scheme": (["publish", "foo://u:hunter2@x", "a", "b"], "foo://***@x"),
    "local": (["publish", "local://", "a", "b"], "the bus of one process alone"),
    "timeout": (["publish", "{address}", "a", "b", "--timeout", "0"], "--timeout"),
}


@pytest.mark.parametrize(("arguments", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_has_the_exit_code_2(address: str, arguments: list[str], text: str) -> None:
    result = call(*[one.format(address=address) for one in arguments])
    assert result.exit_code == 2
    assert text in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    "command", [["publish", "{}", "room:1", "news"], ["disconnect", "{}", "a"]]
)
async def test_a_bus_that_is_down_has_the_exit_code_1(command: list[str]) -> None:
    """The error names the address without its password. There is no traceback."""
    arguments = [one.format("redis://chat:hunter2@127.0.0.1:1/0") for one in command]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bennu", *arguments, "--timeout", "0.2"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    text = errors.decode()
    assert "the bus redis://***@127.0.0.1:1/0 has not confirmed within 0.2 s" in text
    assert "wait longer with --timeout" in text
    assert "hunter2" not in text
    assert "Traceback" not in text


async def test_a_running_server_hears_the_commands(address: str) -> None:
    """Clients of ``bennu run`` get the message, and are disconnected."""
    node = Node(f"{address}/bus")
    try:
        await node.start()
        async with enter(node, "room:1", "ann", vsn=V2) as ann:
            line = await asyncio.to_thread(
                call, "publish", f"{address}/bus", "room:1", "news", '{"a": 1}'
            )
            assert line.stdout == "news was published to room:1: 1 process heard it\n"
            await ann.hears(("news", {"a": 1}))
    finally:
        await node.kill()


async def test_a_broker_confirms(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker does not know who heard it, so the line says that it confirmed."""
    from bennu.bus.broker.adapter import BrokerAdapter
    from bennu.publisher import node

    from ..bus.broker.memory_broker import MemoryBroker

    def adapter_for(given: str, node: str | None = None) -> BrokerAdapter:
        return BrokerAdapter(MemoryBroker().driver(), node)

    monkeypatch.setattr(node, "adapter_for", adapter_for)
    result = await asyncio.to_thread(call, "publish", "redis://cache", "room:1", "news")
    assert result.stdout == "news was published to room:1: redis://cache has confirmed it\n"
    result = await asyncio.to_thread(call, "disconnect", "redis://cache", "a")
    assert result.stdout == "a is disconnected: redis://cache has confirmed it\n"
