"""The layout of the code: short modules, one name for one class, a source module for each test module.

A rule can have a table of exceptions. A table must be exact: delete the line of an exception that is no longer needed.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src/bennu"
TESTS: Final = ROOT / "tests"

LONGEST_MODULE: Final = 400
"""Lines of a module in ``src``."""
LONGEST_TEST: Final = 500
"""Lines of a module in ``tests``."""

SUITES: Final = {
    "autobahn": "the Autobahn test suite, run against an endpoint",
    "cluster": "two nodes and more behind each bus",
    "faults": "faults of nodes, brokers and networks under load",
    "recovery": "what clients of topics with history get under faults",
    "conformance": "behaviours that Phoenix's own test suites assert",
    "deploys": "the files of docs/deploys/, with the programs that read them",
    "demos": "the applications in src/bennu_demos/",
    "fuzz": "random input for parsers and servers",
    "hostile": "the attacks of benchmarks/attacks, each against a server",
    "interop": "clients that others wrote, unmodified",
    "long": "tests that take minutes",
    "support": "tests of what the tests use",
    "wire": "recorded frames, under several ASGI servers",
}
"""Folders of ``tests`` that mirror no folder of ``src``, and what they test."""

WITHOUT_MODULE: Final = {
    "cli/test_uvicorn.py": "what cli expects of uvicorn beyond its documentation",
    "presence/test_story.py": "a long random story of users and clients",
    "server/test_crashes.py": "each kind of exception from each function of a user",
    "server/test_fail_open.py": "mistakes of an application admit nobody",
    "server/test_flood.py": "bad clients among good ones",
    "server/test_sizes.py": "sizes that a client can choose",
    "test_conformance.py": "docs/conformance.toml",
    "test_docs.py": "the Python blocks of docs/",
    "test_docs_architecture.py": "the names in docs/architecture.md",
    "test_docs_channels.py": "the tables of docs/",
    "test_docs_testing.py": "the tests of docs/testing.md",
    "test_docs_contracts.py": "docs/contracts.md",
    "test_docs_protocol.py": "the sections of docs/protocol.md",
    "test_layout.py": "this module",
    "test_patterns.py": "the run time of each regular expression",
    "test_readme.py": "the quickstart of README.md",
    "transports/test_compression.py": "compression between a server and a client",
}
"""Test modules without a module of their name in ``src``, and what they test."""

USES_SERVER: Final = (
    "definition.py",
    "history/reader.py",
    "presence/owners.py",
    "server/channel_server.py",
    "server/raw_server.py",
)
"""Modules that go from a user's object to what runs it, ``agent._server``: users' subclasses see no such name."""

USES_PRIVATE_NAMES: Final = {
    "cli/test_uvicorn.py": "names of uvicorn that our protocol overrides",
    "support/inside.py": "the one place for them: each function says why",
    "test_layout.py": "the rule above",
}
"""Test modules that use private names of another module, and why."""
PUBLIC: Final = {"_asdict", "_exit", "_fields", "_make", "_replace"}
"""Public names, by the documentation of Python."""

WRITES_FRAMES: Final = {
    "client": "what Bennu's client sends, and what it makes of any frame of a server",
    "demos/chat": "pages in JavaScript, and a visitor over real sockets",
    "fuzz": "bytes that are cut, changed and repeated",
    "protocol": "the serializers",
    "support/frames.py": "the functions that make frames for all other tests",
    "test_layout.py": "the examples of this rule",
    "test_message.py": "the names of the protocol's events",
    "wire": "recorded frames, and frames that are wrong",
}
"""Folders and modules of ``tests`` that write frames of the protocol by hand: the frames are what they test."""


def modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each Python module below a folder: its path from there, as text and as a path."""
    for path in sorted(folder.rglob("*.py")):
        # The files of a new project are data here: tests/generators checks them.
        if not {"node_modules", "templates"}.intersection(path.parts):
            yield path.relative_to(folder).as_posix(), path


def longer_than(most: int, folder: Path) -> set[str]:
    return {name for name, path in modules(folder) if len(path.read_text().splitlines()) > most}


def test_no_module_is_long() -> None:
    assert not longer_than(LONGEST_MODULE, SOURCE)


def test_no_test_module_is_long() -> None:
    assert not longer_than(LONGEST_TEST, TESTS)


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for name, path in modules(SOURCE):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert not {name: found for name, found in places.items() if len(found) > 1}


def has_module(name: str) -> bool:
    """Return whether ``loop/test_home_calls.py`` belongs to ``loop/home_calls`` or ``loop/home``, a module or a package."""
    path = SOURCE / name
    words = path.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:end]) for end in range(len(words), 0, -1)]
    return any(
        (path.parent / f"{name}.py").is_file() or (path.parent / name).is_dir() for name in names
    )


def test_each_test_module_has_its_module() -> None:
    without = {
        name
        for name, path in modules(TESTS)
        if path.name.startswith("test_")
        and name.split("/")[0] not in SUITES
        and not has_module(name)
    }
    assert without == WITHOUT_MODULE.keys()


def test_each_suite_is_a_folder() -> None:
    assert {
        name for name in SUITES if not (TESTS / name).is_dir() or (SOURCE / name).is_dir()
    } == set()


# Private names


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[a-zA-Z]\w*", name) is not None


def own_names(module: ast.Module) -> set[str]:
    """Return the private names that a module's own classes define."""
    names = set()
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=slots):
                names |= {
                    str(one.value) for one in ast.walk(slots) if isinstance(one, ast.Constant)
                }
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                names.add(name)
    return {name for name in names if is_private(name)} - PUBLIC


def private_names(module: ast.Module) -> Iterator[str]:
    """Yield the private names of other modules that a module uses, in any spelling."""
    for node in ast.walk(module):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name):
                yield name
            case ast.Constant(value=str(text)) if re.fullmatch(
                r"(bennu\.[\w.]+\.)?_[a-z]\w*", text
            ):
                yield text.split(".")[-1]  # for monkeypatch.setattr
            case ast.ImportFrom(names=aliases):
                yield from (alias.name for alias in aliases)


def uses_of_private_names(folder: Path) -> dict[str, set[str]]:
    """Return the private names of Bennu's modules that other modules use, by the module that uses them."""
    of_bennu: set[str] = set()
    for _, path in modules(SOURCE):
        of_bennu |= own_names(ast.parse(path.read_text()))
    used = {}
    for name, path in modules(folder):
        module = ast.parse(path.read_text())
        names = of_bennu.intersection(private_names(module)) - own_names(module)
        if names:
            used[name] = names
    return used


def test_no_module_uses_a_private_name_of_another() -> None:
    assert uses_of_private_names(SOURCE) == {name: {"_server"} for name in USES_SERVER}


def test_no_test_uses_a_private_name() -> None:
    """A test asserts on behaviour, or asks ``tests/support/inside.py``."""
    used = uses_of_private_names(TESTS)
    assert used.keys() == USES_PRIVATE_NAMES.keys(), used


# Frames

FRAME: Final = re.compile(
    r'phx_(join|leave|reply|close|error)\b|^\s*\[(\s*("[^"]*"|null|[0-9]+)\s*,){2}\s*"'
)
"""A name of the protocol, or the begin of a V2 message."""


def text_of(node: ast.AST) -> str:
    """Return the text of a literal; a value in an f-string is a zero."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(data)):
            return data.decode("latin-1")
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part) or "0" for part in parts)
    return ""


def is_frame(node: ast.AST) -> bool:
    """Return whether a node is a frame as values or as JSON, or a text with a name of the protocol."""
    match node:
        case ast.Constant() | ast.JoinedStr():
            return FRAME.search(text_of(node)) is not None
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            match parts:
                case [_, _, _, ast.Constant(value=str()), payload]:
                    return re.match(r"[{b]|ok\(|error\(", ast.unparse(payload)) is not None
        case ast.Call(
            func=ast.Attribute(attr="send"), args=[_, _, _, ast.Constant(value=str()), *_]
        ):
            return True
    return False


def writes_frames(module: ast.Module) -> bool:
    """Return whether a module writes frames by hand. Docstrings do not count."""
    docs = {node.value for node in ast.walk(module) if isinstance(node, ast.Expr)}
    return any(is_frame(node) for node in ast.walk(module) if node not in docs)


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ('expect(("1", "2", "room:1", "phx_reply", answer))', True),
        ('expect((None, None, topic, "news", {"n": 1}))', True),
        ('expect(["1", None, topic, "news", ok()])', True),
        ('client.send("1", None, "room:1", "news")', True),
        ("""send(b'["1", null, "room:1", "news", {}]')""", True),
        ("""send(f'["{ref}",{ref},"{topic}","news",{{}}]')""", True),
        ("""send('{"topic":"room:1","event":"phx_join"}')""", True),
        ('expect(reply("1", "2", "room:1", ok()))', False),
        ('def test() -> None:\n    """After a phx_close."""', False),
        ("""load('["one", "two"]')""", False),
    ],
)
def test_a_frame_by_hand_is_found(code: str, *, is_found: bool) -> None:
    assert writes_frames(ast.parse(code)) is is_found


def test_frames_are_made_by_their_functions() -> None:
    """A test says ``reply("1", "2", "room:1", ok())``, or is written with ``bennu.testing``."""
    used = set()
    for name, path in modules(TESTS):
        if writes_frames(ast.parse(path.read_text())):
            place = [place for place in WRITES_FRAMES if f"{name}/".startswith(f"{place}/")]
            used.add(place[0] if place else name)
    assert used == WRITES_FRAMES.keys()
