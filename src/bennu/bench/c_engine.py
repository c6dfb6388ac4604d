"""The engine in C: compiles wsload.c once, and runs it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ..client import ConnectFailed, ConnectRefused, JoinRefused, PushRefused
from ..client.frames import VERSIONS, answer_of, json_of
from ..client.urls import SocketURL, query_of, subprotocols_of
from ..client.websocket import reason_in
from ..errors import BennuError
from ..logs.printable import printable
from ..message import PHX_ERROR
from .histogram import LatencyHistogram
from .plan import AT_ONCE, NUMBER, PATIENCE, BenchPlan
from .result import BenchCounts, BenchProgress, BenchResult

__all__ = ["CEngine", "CompileFailed", "compiled", "compiler"]

COMPILERS: Final = ("cc", "gcc", "clang")
FLAGS: Final = ("-O2", "-w")
LONGEST_LINE: Final = 1 << 24
BINARY_REPLY: Final = b"\x01"
"""The first byte of a reply in a binary frame."""


class CompileFailed(BennuError):
    """The C compiler did not compile the generator."""


class _Times(Struct):
    most_us: float
    buckets: list[tuple[int, int]]

    def histogram(self) -> LatencyHistogram:
        return LatencyHistogram(self.buckets, self.most_us)


class _EngineLine(BenchCounts, kw_only=True):
    """A line of the generator. The last one has all fields."""

    type: str
    seconds: float
    planned: int = 0
    opening: float = 0.0
    is_whole: bool = True
    connect: _Times | None = None
    join: _Times | None = None
    reply: _Times | None = None
    delivery: _Times | None = None
    failure: tuple[str, str] = ("", "")
    refusal: tuple[str, str] = ("", "")

    def counts(self) -> BenchCounts:
        names = BenchCounts.__struct_fields__
        return BenchCounts(**{name: getattr(self, name) for name in names})


_decode: Final = msgspec.json.Decoder(_EngineLine).decode


def compiler() -> str | None:
    """Return the C compiler: that of the variable ``CC``, else one that is found; None without one."""
    wanted = os.environ.get("CC")
    for name in (wanted,) if wanted else COMPILERS:
        found = shutil.which(name)
        if found is not None:
            return found
    return None


def compiled(cc: str, say: Callable[[str], None]) -> Path:
    """Return the generator, compiled. It is kept in a folder of the user's cache.

    Args:
        cc: The compiler.
        say: Gets a line if the generator must be compiled.

    Raises:
        CompileFailed: It could not be compiled, or not be written.
    """
    source = files("bennu.bench").joinpath("wsload.c").read_bytes()
    key = hashlib.sha256(b"\0".join((source, cc.encode(), " ".join(FLAGS).encode()))).hexdigest()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    program = Path(cache) / "bennu" / f"wsload-{key[:16]}"
    if program.exists():
        return program
    say(f"{cc} compiles the load generator, once: {program}")
    part = program.with_name(f"{program.name}.{os.getpid()}")
    command = [cc, *FLAGS, "-o", str(part), "-x", "c", "-"]
    try:
        program.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        done = subprocess.run(command, input=source, capture_output=True, check=False)  # noqa: S603 - the user's compiler
        if done.returncode:
            raise CompileFailed(
                f"{cc} failed: {printable(done.stderr.decode(errors='replace'), 1000)}"
            )
        part.replace(program)
    except OSError as error:
        raise CompileFailed(f"the load generator can't be compiled: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return program


class CEngine:
    """Runs a plan with the generator in C.

    Args:
        program: The compiled generator.
        plan: The plan: V2 over ``ws://``.
        tell: Gets the progress, four times a second.
    """

    name = "C"

    def __init__(
        self, program: Path, plan: BenchPlan, tell: Callable[[BenchProgress], None]
    ) -> None:
        self._program = program
        self._plan = plan
        self._tell = tell

    async def run(self, stop: asyncio.Event) -> BenchResult:
        """Run the plan, and return the result.

        Args:
            stop: Ends the run early when it is set.

        Raises:
            ConnectFailed: The server can't be reached.
            BennuError: The generator has failed.
        """
        target = urlsplit(SocketURL(self._plan.url).websocket(""))
        address, port = await reachable(target.hostname or "", target.port or 80)
        process = await asyncio.create_subprocess_exec(
            self._program,
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C of the terminal is ours to pass on
        )
        stopping = asyncio.create_task(self._stop(process, stop))
        try:
            assert process.stdin is not None  # noqa: S101 - both are pipes
            assert process.stdout is not None  # noqa: S101
            for word in arguments(self._plan, address, port, target.netloc.rpartition("@")[2]):
                process.stdin.write(word.encode() + b"\0")
            process.stdin.close()
            async for data in process.stdout:
                line = _decode(data)
                if line.type == "result":
                    return self._result(line)
                self._tell(BenchProgress(line.type, line.seconds, line.counts()))
            _, errors = await process.communicate()
            raise BennuError(
                f"the load generator has failed: {printable(errors.decode(errors='replace'))}"
            )
        finally:
            stopping.cancel()
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def _stop(self, process: asyncio.subprocess.Process, stop: asyncio.Event) -> None:
        await stop.wait()
        process.send_signal(signal.SIGINT)

    def _result(self, line: _EngineLine) -> BenchResult:
        result = BenchResult(
            self.name,
            line.counts(),
            line.planned,
            line.opening,
            line.seconds,
            line.is_whole,
            explained(*line.failure, self._plan),
            explained(*line.refusal, self._plan),
        )
        for name in ("connect", "join", "reply", "delivery"):
            times: _Times | None = getattr(line, name)
            if times is not None:
                setattr(result, name, times.histogram())
        return result


async def reachable(host: str, port: int) -> tuple[str, int]:
    """Return the first address of a host at which something listens, and the port.

    Raises:
        ConnectFailed: There is none.
    """
    loop = asyncio.get_running_loop()
    error: Exception = OSError("it has no address")
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as why:
        found, error = [], why
    for one in found:
        address = str(one[4][0])
        try:
            async with asyncio.timeout(PATIENCE):
                _, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError) as why:
            error = why
            continue
        writer.close()
        return address, port
    raise ConnectFailed(
        f"{host}:{port} can't be reached: {printable(error) or 'no answer in time'}"
    )


def arguments(plan: BenchPlan, address: str, port: int, authority: str) -> list[str]:
    """Return the arguments of the generator for a plan."""
    target = urlsplit(SocketURL(plan.url).websocket(query_of({**plan.params, "vsn": plan.vsn})))
    before, after = plan.around_stamp()
    header = ""
    if plan.token is not None:
        header = f"Sec-WebSocket-Protocol: {', '.join(subprotocols_of(plan.token))}\r\n"
    options: dict[str, Any] = {
        "mode": "load",
        "address": address,
        "port": port,
        "authority": authority,
        "path": f"{target.path}?{target.query}",
        "header": header,
        "conns": plan.clients,
        "inflight": AT_ONCE,
        "patience": PATIENCE,
        "topics": plan.topics,
        "event": json.dumps(plan.event)[1:-1],
        "rate": repr(plan.rate),
        "secs": repr(plan.seconds),
        "body-before": before,
        "body-after": after,
        "mark": plan.mark,
        "hears": int(plan.hears),
    }
    if plan.topic is not None:
        start, number, end = json.dumps(plan.topic)[1:-1].partition(NUMBER)
        options |= {"topic-before": start, "topic-after": end, "numbered": int(bool(number))}
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def explained(kind: str, digits: str, plan: BenchPlan) -> str:
    """Return what a note of the generator says, in the words of the Python client.

    Args:
        kind: The kind of the note; empty without one.
        digits: The bytes that came, in hexadecimal digits.
        plan: The plan.
    """
    data = bytes.fromhex(digits)
    text = printable(data.decode(errors="replace"))
    match kind:
        case "":
            return ""
        case "refused":
            head, _, body = data.partition(b"\r\n\r\n")
            words = head.split(None, 2)
            status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
            return str(ConnectRefused(status, reason_in(body)))
        case "join" | "push" | "channel":
            try:
                return frame_explained(kind, data, plan)
            except (BennuError, UnicodeDecodeError):  # a long frame was cut
                return f"the {kind} was refused or ended: {text}"
        case "closed":
            return f"the connection has ended with {text.strip()}"
        case "connect":
            return f"a connection can't be opened: {text}"
        case _:
            return f"a connection was lost: {text}"


def frame_explained(kind: str, data: bytes, plan: BenchPlan) -> str:
    """Return what the frame of a note says.

    Raises:
        DecodeError: It is no message.
    """
    message = VERSIONS[plan.vsn].decode(data if data[:1] == BINARY_REPLY else data.decode())
    if kind == "channel":
        if message.event == PHX_ERROR:
            return f"the channel has crashed: {json_of(message.payload)}"
        return "the server has closed the channel"
    status, response = answer_of(message)
    value = json_of(response)
    if kind == "join":
        return str(JoinRefused(message.topic, value))
    return str(PushRefused(message.topic, plan.event, status, value))
