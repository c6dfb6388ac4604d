"""Types for the stock client: right uses compile, and each wrong use is an error."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

from bennu import Channel, Endpoint, Socket, on
from bennu.contracts import contract_of, typescript_types
from tests.contracts.shop import endpoint
from tests.support.node import js_modules, node_path

USES = Path(__file__).parent / "uses.ts"


def compiled(folder: Path, **uses: str) -> list[str]:
    """Return the errors of the TypeScript compiler for pages that use the types of the shop."""
    modules = js_modules()
    types = typescript_types(contract_of(endpoint, title="Shop", release="1"))
    (folder / "contract.d.ts").write_text(types)
    for name, text in uses.items():
        (folder / f"{name}.ts").write_text(text)
    options: dict[str, Any] = {
        "noEmit": True,
        "strict": True,
        "target": "es2022",
        "lib": ["es2022", "dom"],
        "types": [],
        "module": "esnext",
        "moduleResolution": "bundler",
        "paths": {"phoenix": [str(modules / "@types" / "phoenix")]},
    }
    config = {"compilerOptions": options, "files": [f"{name}.ts" for name in uses]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    compiler = modules / "typescript" / "bin" / "tsc"
    command = [str(node_path()), str(compiler), "--pretty", "false", "-p", str(folder)]
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=170
    )
    return done.stdout.splitlines()


@pytest.mark.interop
@pytest.mark.timeout(180)  # the compiler needs 5 s of CPU
def test_right_uses_compile_and_each_wrong_use_is_an_error(tmp_path: Path) -> None:
    """``@ts-expect-error`` is itself an error if the next line has none. Without these lines each wrong use is reported."""
    text = USES.read_text()
    errors = compiled(tmp_path, right=text, wrong=text.replace("@ts-expect-error", "here"))
    assert [one for one in errors if one.startswith("right.ts")] == []
    wrong = {one.partition(")")[0] for one in errors if one.startswith("wrong.ts(")}
    assert len(wrong) == text.count("@ts-expect-error")
    said = "\n".join(errors)
    assert (
        "Argument of type '\"odrer\"' is not assignable to parameter of type 'keyof ShopChannelPushes'"
        in said
    )


def test_a_channel_without_events_and_a_relay_have_their_types() -> None:
    class Relay(Channel):
        async def handle_in(self, event: str, payload: dict[str, str]) -> dict[str, str]:
            await self.push(event, payload)
            return payload

        @on("say")
        async def say(self) -> None: ...

    class Error(Channel):
        """Ends */ a comment."""

    socket: Socket[Any] = Socket(
        connect=lambda: None, channels={"a`*": Relay, "b": Error, "c": Error}
    )
    text = typescript_types(contract_of(Endpoint(sockets={"/Socket/": socket, "/admin": socket})))
    assert "channel(topic: `a\\`${string}`, " in text
    assert "push<E extends string>(event: E extends keyof RelayPushes ? never : E" in text
    assert "on<E extends string>(event: E extends keyof RelayEvents ? never : E" in text
    assert "off(event: string, ref?: number): void" in text
    assert "export interface ContractSocket extends" in text
    assert "export interface AdminSocket extends" in text
    assert "export interface Error2 extends" in text
    assert "Ends *\\/ a comment." in text


def test_an_endpoint_without_sockets_has_a_module() -> None:
    assert "new Socket" in typescript_types(contract_of(Endpoint(sockets={})))


def test_parameters_of_topics_have_their_types() -> None:
    class FileChannel(Channel):
        id: UUID
        kind: Literal["a", "b"]
        path: str

    channels = {"file:{id}:{kind}:{path:path}": FileChannel}
    socket: Socket[Any] = Socket(connect=lambda: None, channels=channels)
    text = typescript_types(contract_of(Endpoint(sockets={"/socket": socket})))
    assert 'channel(topic: `file:${string}:${"a" | "b"}:${string}`, ' in text
