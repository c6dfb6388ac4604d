"""The layout of the code: short modules, one name for one class, a source module for each test module.

A rule can have a table of exceptions. A table must be exact: delete the line of an exception that is no longer needed.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

from .support.sources import modules, read

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
    "test_docs_debugging.py": "docs/debugging.md",
    "test_docs_observability.py": "docs/observability.md",
    "test_docs_protocol.py": "the sections of docs/protocol.md",
    "test_layout.py": "this module",
    "test_patterns.py": "the run time of each regular expression",
    "test_readme.py": "the quickstart of README.md",
    "transports/test_compression.py": "compression between a server and a client",
}
"""Test modules without a module of their name in ``src``, and what they test."""

USES_SERVER: Final = (
    "definition.py",
    "endpoint_sending.py",
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

WRITES_FRAMES: Final = {
    "client": "what Bennu's client sends, and what it makes of any frame of a server",
    "demos/chat/test_recovery.py": "a script that runs in the page",
    "fuzz": "bytes that are cut, changed and repeated",
    "protocol": "the serializers",
    "support/frames.py": "the functions that make frames for all other tests",
    "support/test_sources.py": "the examples of the rule",
    "test_message.py": "the names of the protocol's events",
    "wire": "recorded frames, and frames that are wrong",
}
"""Folders and modules of ``tests`` that write frames of the protocol by hand: the frames are what they test."""


def longer_than(most: int, folder: Path) -> set[str]:
    return {name for name, path in modules(folder) if len(path.read_text().splitlines()) > most}


def test_no_module_is_long() -> None:
    assert not longer_than(LONGEST_MODULE, SOURCE)


def test_no_test_module_is_long() -> None:
    assert not longer_than(LONGEST_TEST, TESTS)


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for name, path in modules(SOURCE):
        for one in read(path).classes:
            places[one].append(name)
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


def uses_of_private_names(folder: Path) -> dict[str, set[str]]:
    """Return the private names of Bennu's modules that other modules use, by the module that uses them."""
    of_bennu: set[str] = set()
    for _, path in modules(SOURCE):
        of_bennu |= read(path).own_names
    used = {}
    for name, path in modules(folder):
        found = read(path)
        names = (of_bennu & found.private_names) - found.own_names
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


def test_frames_are_made_by_their_functions() -> None:
    """A test says ``reply("1", "2", "room:1", ok())``, or is written with ``bennu.testing``."""
    used = set()
    for name, path in modules(TESTS):
        if read(path).writes_frames:
            place = [place for place in WRITES_FRAMES if f"{name}/".startswith(f"{place}/")]
            used.add(place[0] if place else name)
    assert used == WRITES_FRAMES.keys()


# Django


def test_django_is_configured_in_one_place() -> None:
    """A process has one configuration: ``tests/support/django_site.py``. Two would depend on the order of the tests."""
    assert not [name for name, path in modules(TESTS) if read(path).configures_django]
