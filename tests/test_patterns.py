"""Each regular expression for a client's bytes is linear: ten times the bytes take about ten times as long.

The list is compared with the code. For a new pattern add a line: what is matched, and its worst input.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from bennu.cli.first_protocol import HEAD
from bennu.connect_info import ConnectInfo
from bennu.errors import BennuError, TokenInvalid
from bennu.logs.log import shape_of
from bennu.logs.why import why_refused
from bennu.phoenix.etf import decode as decode_term
from bennu.protocol import JSONV2, negotiate
from bennu.protocol.deflate import Deflate, negotiate as negotiate_deflate
from bennu.protocol.encoding import check_nesting, check_values
from bennu.protocol.halves import has_half
from bennu.protocol.hosts import parse_host
from bennu.protocol.proxies import TrustedProxies
from bennu.user_code.models import tidy

SOURCE: Final = Path(__file__).parents[1] / "src/bennu"
SIZE: Final = 200_000
"""Bytes of the long input. A longer one exceeds caches that a tenth of it fits, and takes too long for that reason."""
TIMES: Final = 10
MOST: Final = 40
"""The allowed ratio of times for TIMES as many bytes. A quadratic pattern takes 100 times as long.

With only twice the bytes, the difference would be too small: they can exceed a cache that half of them fit.
"""
REPEATS: Final = 5
NOTHING: Final = 0.001
"""Seconds that are not compared: timers are too coarse below this."""
SLOW: Final = 5.0
"""Seconds after which a run is not repeated."""
TRIES: Final = 4
"""Repetitions of a measurement, because other processes use the same caches."""

Run = Callable[[Any], object]
Worst = tuple[Run, Callable[[int], Any]]
"""The function that reads the input, and a function that returns the worst input of a size."""


def _vsn(text: str) -> object:
    return negotiate(text, [JSONV2])


def _forwarded(name: bytes) -> Run:
    proxies = TrustedProxies(["10.0.0.1"])

    def read(value: bytes) -> object:
        return proxies.read(
            "10.0.0.1", [(b"host", value), (b"x-forwarded-port", b"1"), (name, value)]
        )

    return read


def _host(value: bytes) -> object:
    return ConnectInfo({"path": "/", "headers": [(b"host", value)]}, transport="websocket").uri


def _reason(text: str) -> object:
    return why_refused(TokenInvalid(text))


def _names(value: bytes) -> object:
    exchange = import_module("bennu.transports.longpoll.exchange")
    names: re.Pattern[bytes] = vars(exchange)["_NAMES"]  # its function writes an answer
    return names.fullmatch(value)


def _extensions(header: str) -> object:
    return negotiate_deflate([header], Deflate())


NO_CLIENT: Final = "reads what the application defines"

PATTERNS: Final[dict[str, str | list[Worst]]] = {
    "bus/ipc/directory.py:_NAME": "reads names of nodes, which no client chooses",
    "bus/ipc/directory.py:_UNSAFE": "reads names of nodes, which no client chooses",
    "bus/nats/credentials.py:_BLOCK": "reads a file of the operator's",
    "bus/nats/fence.py:_NUMBER": "reads messages of nodes, and every part has a bound",
    "bus/nats/parts.py:_REPLY": "reads messages of nodes, and every part has a bound",
    "bus/nats/subjects.py:_PREFIX": "reads the address of the bus",
    "client/recovery.py:_REF": "every part has a bound",
    "cli/publish.py:ADDRESS": "reads the arguments of a command",
    "contracts/html_page.py:CODE": NO_CLIENT,
    "contracts/html_page.py:WORD": NO_CLIENT,
    "contracts/html_page.py:parts": NO_CLIENT,
    "contracts/names.py:_HUMPS": NO_CLIENT,
    "contracts/names.py:_OTHER": NO_CLIENT,
    "contracts/names.py:_PARAMETER": NO_CLIENT,
    "contracts/names.py:_WORDS": NO_CLIENT,
    "contracts/names.py:name": NO_CLIENT,
    "contracts/python_module.py:asked": NO_CLIENT,
    "contracts/typescript.py:words": NO_CLIENT,
    "contracts/typescript_types.py:NAME": NO_CLIENT,
    "contracts/schemas.py:NAME": NO_CLIENT,
    "contracts/servers.py:SECRET": NO_CLIENT,
    "contracts/servers.py:VARIABLE": NO_CLIENT,
    "contracts/typescript.py:PARAMETER": NO_CLIENT,
    "contracts/typescript_types.py:is_whole": NO_CLIENT,
    "generators/names.py:_CLASS": "reads the arguments of a command",
    "generators/names.py:_PROJECT": "reads the arguments of a command",
    "generators/names.py:_WORD": "reads the arguments of a command",
    "generators/names.py:likely": "reads the arguments of a command",
    "generators/names.py:words": "reads the arguments of a command",
    "generators/place.py:_FASTAPI": "reads the files of a project",
    "generators/place.py:_MAKES_SOCKET": "reads the files of a project",
    "generators/place.py:_SOCKET": "reads the files of a project",
    "history/position.py:_CLIENT": "what it reads has at most 256 bytes",
    "history/position.py:_EPOCH": "what it reads has at most 256 bytes",
    "history/position.py:_NUMBER": "matches at most 16 digits",
    "limits/rate.py:_RATE": NO_CLIENT,
    "store/sql/address.py:read_sql_address": "reads the address of the store",
    "phoenix/etf/decoder.py:_OLD_FLOAT": [
        (decode_term, lambda _: b"\x83c" + b"1" * 31),  # it has 31 bytes for any input
    ],
    "protocol/proxies.py:_BRACKETED": [
        (_forwarded(b"x-forwarded-for"), lambda n: b"[" * n),
        (_forwarded(b"x-forwarded-for"), lambda n: b"[" + b":" * n + b"]:"),
    ],
    "protocol/proxies.py:_WITH_PORT": [
        (_forwarded(b"x-forwarded-for"), lambda n: b"1" * n + b":"),
        (_forwarded(b"x-forwarded-for"), lambda n: b":" * n),
    ],
    "protocol/proxies.py:_HOST": [
        (_forwarded(b"x-forwarded-host"), lambda n: b"a" * n),
        (_forwarded(b"x-forwarded-host"), lambda n: b"[" + b":" * n),
    ],
    "protocol/proxies.py:_PORT": [(_forwarded(b"x-forwarded-port"), lambda n: b"1" * n)],
    "protocol/proxies.py:_ENDING_PORT": [
        (_forwarded(b"x-other"), lambda n: b":" * n + b"x"),
        (_forwarded(b"x-other"), lambda n: b":" + b"1" * n + b"x"),
        (_forwarded(b"x-other"), lambda n: b":1" * (n // 2) + b"x"),
    ],
    "protocol/hosts.py:_HEADER": [
        (parse_host, lambda n: "a" * n),
        (parse_host, lambda n: "[" + ":" * n),
        (parse_host, lambda n: "a:" * (n // 2)),
    ],
    "protocol/hosts.py:_LABELS": [(parse_host, lambda n: "a." * (n // 2))],
    "logs/log.py:_VALUE": [
        (shape_of, lambda n: "%" * n),
        (shape_of, lambda n: "%" + "1" * n),
        (shape_of, lambda n: "%1" * (n // 2)),
    ],
    "cli/first_protocol.py:HEAD": [
        (HEAD, lambda n: b"GET /" + b"a" * n),
        (HEAD, lambda n: b"GET /?" + b"a" * n + b" HTTP/1.1\r\n"),
        (HEAD, lambda n: b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (n // 6) + b"\r"),
        (HEAD, lambda n: b"GET / HTTP/1.1\r\na: " + b" b" * (n // 2) + b"\n"),
    ],
    "cli/env_file.py:_LINE": "reads a file of the operator's",
    "cli/env_file.py:_value": "reads a file of the operator's",
    "logs/why.py:_VALUE": [
        (_reason, lambda n: "'" * n),
        (_reason, lambda n: "'\\" * (n // 2)),
        (_reason, lambda n: "\"'" * (n // 2)),
        (_reason, lambda n: "value 1" * (n // 7)),
    ],
    "transports/longpoll/exchange.py:_NAMES": [
        (_names, lambda n: b"x" * n),
        (_names, lambda n: b"x, " * (n // 3)),
    ],
    "protocol/halves.py:_HALF": [
        (has_half, lambda n: b"x" * n),
        (has_half, lambda n: b"\\" * n),
        (has_half, lambda n: b'\\"' * (n // 2)),
        (has_half, lambda n: rb"\ud83d\ude00" * (n // 12)),
        (has_half, lambda n: rb"\u0041" * (n // 6) + rb"\uzzzz"),
        (has_half, lambda n: rb"x\n" * (n // 3) + rb"\ud83"),
    ],
    "user_code/models.py:_ADDRESS": [
        (tidy, lambda n: " at 0x" * (n // 6)),
        (tidy, lambda n: " at 0x" + "f" * n),
    ],
    "protocol/vsn.py:_VERSION": [
        (_vsn, lambda n: "1.0.0-" + "a." * (n // 2)),
        (_vsn, lambda n: "1" * n),
    ],
    "transports/routes.py:_VARIABLE": NO_CLIENT,
    "connect_info.py:_PORT": [
        (_host, lambda n: b":" * n),
        (_host, lambda n: b":1" * (n // 2) + b"x"),
    ],
}
"""The cases by file and name. Each input would make a badly written pattern of this kind slow."""

OTHERS: Final[dict[str, list[Worst]]] = {
    "negotiate": [  # with the patterns of the websockets library
        (_extensions, lambda n: " " * n),
        (_extensions, lambda n: "x " * (n // 2)),
        (_extensions, lambda n: "x" * n),
        (_extensions, lambda n: "x," * (n // 2)),
        (_extensions, lambda n: "," * n),
        (_extensions, lambda n: 'x;a="' + '\\"' * (n // 2)),
        (_extensions, lambda n: 'x;a="' + "b" * n),
        (_extensions, lambda n: 'x;a="' + "b" * n + '("'),
        (_extensions, lambda n: 'x;a="' + "\\b" * (n // 2) + '"'),
        (_extensions, lambda n: "x" + ';a="b' * (n // 5)),
        (_extensions, lambda n: "x;" + " " * n),
        (_extensions, lambda n: "x" + "\t" * n + "("),
    ],
    "check_nesting": [
        (check_nesting, lambda n: b"[" * 129 + b'"' + b'\\"' * (n // 2)),
        (check_nesting, lambda n: b"[" * 129 + b'"' * n),
        (check_nesting, lambda n: b"[" * 129 + b"\\" * n),
        (check_nesting, lambda n: b"[]" * (n // 2)),
        (check_nesting, lambda n: b"[" * 129 + b'"\\' * (n // 2)),
    ],
    "check_values": [
        (lambda data: check_values(data, 1000), lambda n: b'"' + b'\\"' * (n // 2)),
        (lambda data: check_values(data, len(data) // 2), lambda n: b'["' + b'","' * (n // 3)),
        (lambda data: check_values(data, 1000), lambda n: b'"[,\\",' * (n // 6)),
    ],
}
"""The same for functions that read a client's bytes without a regular expression."""


ELSEWHERE: Final = ("topic.py", "user_code/payload.py")
"""Modules whose own tests use the worst input."""


def patterns_of(source: str) -> Iterator[str]:
    """Yield the names under which a module makes regular expressions, or uses one at once."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
        ):
            holder: ast.AST = node
            while not isinstance(holder, ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.Module):
                holder = parents[holder]
            if isinstance(holder, ast.Assign):
                yield ast.unparse(holder.targets[0])
            elif isinstance(holder, ast.AnnAssign):
                yield ast.unparse(holder.target)
            else:
                yield getattr(holder, "name", "<module>")


def test_every_pattern_of_the_code_is_in_the_table() -> None:
    """Each pattern of the code has a line in the table."""
    found = {
        f"{path.relative_to(SOURCE).as_posix()}:{name}"
        for path in SOURCE.rglob("*.py")
        if path.name not in ELSEWHERE and "import re\n" in (source := path.read_text())
        for name in patterns_of(source)
    }

    assert found == PATTERNS.keys()


def _seconds(run: Run, given: Any) -> float:
    """Return the least CPU time that several runs take."""
    best = float("inf")
    for _ in range(REPEATS):
        started = time.process_time()
        with suppress(BennuError):
            run(given)
        taken = time.process_time() - started
        best = min(best, taken)
        if taken > SLOW:
            break
    return best


def _grows_linearly(run: Run, worst: Callable[[int], Any]) -> bool:
    """Return whether the time grows linearly with the bytes, or is too short to measure."""
    part = whole = float("inf")
    for _ in range(TRIES):
        part = min(part, _seconds(run, worst(SIZE // TIMES)))
        whole = min(whole, _seconds(run, worst(SIZE)))
        if whole < max(MOST * part, NOTHING):
            return True
    return False


@pytest.mark.parametrize(
    ("run", "worst"),
    [
        pytest.param(run, worst, id=f"{name}-{number}")
        for name, cases in (PATTERNS | OTHERS).items()
        if not isinstance(cases, str)
        for number, (run, worst) in enumerate(cases)
    ],
)
def test_the_time_grows_as_the_bytes_do(run: Run, worst: Callable[[int], Any]) -> None:
    """Compare a long input with a tenth of it."""
    assert _grows_linearly(run, worst)


def test_a_quadratic_pattern_is_found() -> None:
    """A quadratic pattern is found: this one reads to the end from every position."""
    pattern = re.compile("a*b")
    assert not _grows_linearly(pattern.search, lambda n: "a" * (n // 20))
