"""The tracing that an endpoint is given: off is free, and a missing package is an error that teaches."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

from bennu.errors import DefinitionError
from bennu.pubsub import PubSub
from bennu.tracing.given import tracer_of

from .recording import Recording, endpoint_of_rooms

OFF = """
    import asyncio, sys
    from bennu import Channel, Endpoint, Socket, on
    from bennu.testing import connect
    from bennu.tracing import Tracing

    class Room(Channel):
        @on("say")
        async def say(self, payload: dict[str, str]) -> dict[str, str]:
            await self.broadcast("said", payload)
            return payload

    async def main() -> None:
        endpoint = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room})})
        async with connect(endpoint, "/socket") as client:
            room = await client.join("room:1")
            await room.push("say", {"body": "hello"})

    asyncio.run(main())
    print([name for name in sys.modules if name.startswith("opentelemetry")])
"""

MISSING = """
    import sys
    from importlib.abc import MetaPathFinder

    class Nowhere(MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.startswith("opentelemetry"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Nowhere())
    from bennu import Endpoint
    Endpoint(sockets={})
    Endpoint(sockets={}, tracing=False)
    try:
        Endpoint(sockets={}, tracing=True)
    except Exception as error:
        print(error)
"""


def run(source: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(source)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_without_tracing_nothing_of_opentelemetry_is_imported() -> None:
    assert run(OFF).strip() == "[]"


def test_without_the_package_the_error_says_what_to_install() -> None:
    said = run(MISSING)
    assert "Endpoint(tracing=True)" in said
    assert "the package opentelemetry-api" in said
    assert "pip install bennu[otel]" in said


def test_an_endpoint_without_tracing_has_the_plain_objects() -> None:
    assert tracer_of(False, {}) is None
    assert type(endpoint_of_rooms(tracing=False).pubsub) is PubSub


def test_an_endpoint_with_tracing_has_traced_ones() -> None:
    assert tracer_of(True, {}) is not None
    assert type(endpoint_of_rooms(Recording().tracing()).pubsub) is not PubSub


@pytest.mark.parametrize("given", [None, "yes", 1])
def test_another_value_is_an_error(given: Any) -> None:
    with pytest.raises(DefinitionError, match="True, False or a Tracing"):
        endpoint_of_rooms(given)
