"""``bennu channels``, ``bennu asyncapi`` and ``bennu types``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bennu.cli import main

APP = """
from msgspec import Struct
from bennu import Channel, Endpoint, Socket, on

class Said(Struct):
    text: str

class Room(Channel):
    emits = {"said": Said}

    @on("say")
    async def say(self, payload: Said) -> Said:
        return payload

async def plain(scope, receive, send): ...

socket = Socket(connect=lambda: None, channels={"room:*": Room})
endpoint = Endpoint(sockets={"/socket": socket})
wrapped = endpoint.wrap(plain)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module ``app``."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "app.py").write_text(APP)
    yield tmp_path
    sys.modules.pop("app", None)


def call(folder: Path, command: str, *arguments: str, **env: str) -> Result:
    sys.modules.pop("app", None)
    result = CliRunner(env=env).invoke(main, [command, "--app-dir", str(folder), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize("target", [[], ["app:endpoint"], ["app:wrapped"]])
def test_channels_prints_the_table(folder: Path, target: list[str]) -> None:
    result = call(folder, "channels", *target)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:5] == [
        "/socket  websocket",
        "  connect() · no id",
        "",
        "room:*  Room",
        "  join        -> {}",
    ]


def test_channels_fits_the_terminal(folder: Path) -> None:
    long = APP.replace('"say"', '"say_something_that_has_a_long_name_for_an_event"')
    (folder / "app.py").write_text(long)
    narrow, wide = (call(folder, "channels", COLUMNS=one).stdout for one in ("60", "300"))
    assert narrow != wide
    assert max(map(len, narrow.splitlines())) <= 80


def test_channels_prints_json(folder: Path) -> None:
    found = json.loads(call(folder, "channels", "--json").stdout)
    assert found["sockets"][0]["channels"][0]["topic"] == "room:*"


def test_asyncapi_prints_or_writes_the_document(folder: Path) -> None:
    options = ("--server", "wss://a.example/rt", "--title", "Rooms", "--release", "3")
    printed = json.loads(call(folder, "asyncapi", *options).stdout)
    assert printed["info"]["title"] == "Rooms"
    assert printed["info"]["version"] == "3"
    assert printed["servers"]["socket"]["pathname"] == "/rt/socket/websocket"
    result = call(folder, "asyncapi", *options, "-o", str(folder / "a.json"))
    assert result.stdout == ""
    assert json.loads((folder / "a.json").read_text()) == printed


def test_diff_has_the_exit_code_1_if_a_client_breaks(folder: Path) -> None:
    old = str(folder / "old.json")
    call(folder, "asyncapi", "-o", old)
    same = call(folder, "asyncapi", "--diff", old)
    assert (same.exit_code, same.stdout) == (0, "Nothing has changed for clients.\n")

    (folder / "app.py").write_text(APP.replace("text: str", 'text: str\n    note: str = ""'))
    wider = call(folder, "asyncapi", "--diff", old)
    assert wider.exit_code == 0
    assert wider.stdout.splitlines()[0] == "These changes break no client:"

    (folder / "app.py").write_text(APP.replace("text: str", 'words: str\n    note: str = ""'))
    broken = call(folder, "asyncapi", "--diff", old)
    lines = broken.stdout.splitlines()
    assert broken.exit_code == 1
    assert lines[0] == "These changes break clients:"
    assert "" in lines
    assert (
        "  /socket room:* say: words: in-field-required: nothing -> string"
        " (values without the field are refused)" in lines
    )


def test_types_writes_typescript_and_python(folder: Path) -> None:
    assert "export interface Room " in call(folder, "types", "--typescript").stdout
    call(folder, "types", "--python", "-o", str(folder / "contract.py"))
    assert "class Room:" in (folder / "contract.py").read_text()


WRONG = {
    "no language": (["types"], 2, "expected --typescript or --python"),
    "no module": (["channels", "shop:endpoint"], 1, "write: bennu channels app:endpoint"),
    "no endpoint": (["asyncapi", "app:plain"], 2, "with 0: write the module"),
    "no url": (["asyncapi", "--server", "https://a"], 2, "--server: expected a URL that begins"),
    "no file": (["asyncapi", "--diff", "nothing.json"], 2, "does not exist"),
    "no folder": (["types", "--python", "-o", "no/such/file.py"], 1, "can't be written"),
}


@pytest.mark.parametrize(("arguments", "code", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_is_explained(
    folder: Path, arguments: list[str], code: int, text: str
) -> None:
    result = call(folder, *arguments)
    assert result.exit_code == code
    assert text in result.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1", "Expecting"),
        ("{}", "expected an AsyncAPI 3.0 document of `bennu asyncapi`"),
        (
            '{"servers": {"a": {"x-bennu": {}}}, "channels": {}, "operations": {}}',
            "KeyError('socket')",
        ),
    ],
)
def test_an_older_document_that_is_none_is_refused(folder: Path, text: str, why: str) -> None:
    (folder / "old.json").write_text(text)
    result = call(folder, "asyncapi", "--diff", str(folder / "old.json"))
    assert result.exit_code == 1
    assert why in result.stderr
    assert "Write the file with: bennu asyncapi -o" in result.stderr


def test_a_class_with_a_mistake_is_explained(folder: Path) -> None:
    (folder / "app.py").write_text(APP.replace("payload: Said)", "payload)"))
    result = call(folder, "channels")
    assert result.exit_code == 1
    assert "does not say what its payload is" in result.stderr
