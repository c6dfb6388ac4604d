"""The form of the log of ``bennu run``: text or JSON, with a context, and with the lines of the application."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from bennu.cli.log_options import begin_logging, log_options, read_log_options
from bennu.cli.main import main
from bennu.cli.parameters import LEVELS
from bennu.client import Client

from ..support.frames import PHX_JOIN
from .command import bennu

pytestmark = pytest.mark.clock("real")

APP = """
import logging
from typing import Any

from bennu import Channel, Endpoint, Socket, on

log = logging.getLogger("shop")
log.warning("The shop is imported")


class Room(Channel[Any]):
    @on("order")
    def order(self, payload: dict[str, str]) -> dict[str, str]:
        log.warning("Sold %s", payload["what"], extra={"api_key": "k", "price": 2})
        log.info("Packed")
        return payload


socket = Socket(connect=lambda params: params["name"], channels={"room:*": Room}, id=lambda name: name)
endpoint = Endpoint(sockets={"/socket": socket})
"""

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def order(command: Any, what: str) -> None:
    """Connect, join, order, and stop the server."""
    server = await command.listening()
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    url = f"ws://127.0.0.1:{server.port}/socket"
    async with Client(url, params={"name": "ann"}, headers=headers) as client:
        room = client.channel("room:1")
        await room.join()
        assert await room.push("order", {"what": what}) == {"what": what}
    assert await command.stop() == 0


async def test_each_line_of_json_is_one_object(folder: Path) -> None:
    """Of the workers, of the supervisor, of uvicorn and of the application, from its import on."""
    hostile = 'tea"}\n{"level": "CRITICAL"}\u202e'
    options = ("--port", "0", "--workers", "2", "--log-format", "json")
    async with bennu(folder, "app:endpoint", *options) as command:
        await order(command, hostile)
    lines = [json.loads(line) for line in command.output.splitlines()]
    assert {line["logger"] for line in lines} >= {"bennu", "bennu.access", "uvicorn.error", "shop"}
    assert "CRITICAL" not in {line["level"] for line in lines}
    assert "running on" in next(line for line in lines if "worker" not in line)["message"]
    imports = [line["worker"] for line in lines if line["message"] == "The shop is imported"]
    assert "worker 1" in imports
    [sold] = [line for line in lines if line.get("kind") == "Sold …"]
    assert sold["message"] == f"Sold {hostile}"
    assert sold["extra"] == {"api_key": "[FILTERED]", "price": 2}
    assert sold["worker"] in imports
    who = ("user_id", "topic", "event", "channel", "trace_id")
    assert [sold[name] for name in who] == ["ann", "room:1", "order", "Room", TRACE]
    [joined] = [line for line in lines if line["message"].startswith("JOINED")]
    assert joined["connection_id"] == sold["connection_id"]
    assert not [line for line in lines if line["message"] == "Packed"]


async def test_text_can_have_the_context_and_the_lines_of_the_application(folder: Path) -> None:
    options = ("--port", "0", "--log-context", "--log-root", "info")
    async with bennu(folder, "app:endpoint", *options) as command:
        await order(command, "tea")
    lines = command.output.splitlines()
    assert lines[0] == "WARNING:  shop: The shop is imported"
    [packed] = [line for line in lines if "Packed" in line]
    assert packed.startswith("INFO:     shop: Packed [connection_id=")
    about = f"user_id=ann topic=room:1 event=order channel=Room trace_id={TRACE}]"
    assert packed.endswith(about)
    [joined] = [line for line in lines if "JOINED" in line]
    assert joined.endswith(about.replace("event=order", f"event={PHX_JOIN}"))


# The options.


@click.command()
@log_options
@click.option("--log-config", default=None)
@click.pass_context
def command(context: click.Context, /, log_config: str | None, **options: Any) -> None:
    """Print the configuration."""
    make = read_log_options(context, "info", log_config, **options)
    found = None if make is None else make("worker 1")
    click.echo(json.dumps(found, default=lambda one: one.__name__))


def configured(*arguments: str, env: dict[str, str] | None = None) -> Any:
    result = CliRunner().invoke(command, arguments, env=env)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (("--log-format", "json", "--log-root", "debug"), {}),
        ((), {"BENNU_LOG_FORMAT": "json", "BENNU_LOG_ROOT": "debug"}),
    ],
    ids=["options", "variables"],
)
def test_json_is_for_all_handlers(arguments: tuple[str, ...], env: dict[str, str]) -> None:
    found = configured(*arguments, env=env)
    assert {one["formatter"] for one in found["handlers"].values()} <= found["formatters"].keys()
    expected = {"()": "JSONFormatter", "worker": "worker 1"}
    assert [*found["formatters"].values()] == [expected] * 3
    assert found["root"] == {"handlers": ["root"], "level": logging.DEBUG}


def test_json_writes_the_warnings_of_other_loggers_by_default() -> None:
    """Else Python itself would write them, as text."""
    assert configured("--log-format", "json")["root"]["level"] == logging.WARNING


def test_text_leaves_other_loggers_alone_by_default() -> None:
    found = configured()
    assert "root" not in found
    assert not found["formatters"]["default"]["has_context"]
    assert configured(env={"BENNU_LOG_CONTEXT": "1"})["formatters"]["default"]["has_context"]
    assert configured("--log-root", LEVELS[0])["root"]["level"] == logging.CRITICAL


@pytest.mark.parametrize(
    "given", [("--log-format", "json"), ("--log-context",), ("--log-root", "info")]
)
def test_a_configuration_of_your_own_says_how_lines_look(given: tuple[str, ...]) -> None:
    """Variables of the environment are for every command, so they are no mistake."""
    result = CliRunner().invoke(main, ["run", "--log-config", __file__, *given])
    assert result.exit_code == 2
    assert f"{given[0]} and --log-config exclude each other" in result.output
    assert "bennu.logs.JSONFormatter" in result.output
    assert configured("--log-config", "log.json", env={"BENNU_LOG_FORMAT": "json"}) is None


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_logging_begins_before_the_import_if_lines_of_the_application_are_asked_for(
    root: logging.Logger,
) -> None:
    root.setLevel(logging.WARNING)
    config = {"version": 1, "disable_existing_loggers": False}
    for other in (config, "log.ini"):
        begin_logging(other)
        assert root.level == logging.WARNING
    begin_logging({**config, "root": {"level": "INFO"}})
    assert root.level == logging.INFO
