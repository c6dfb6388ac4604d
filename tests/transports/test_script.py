"""The files for pages that an endpoint serves below each socket: the published client, unmodified, and our own module."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from bennu import Endpoint, RawHandler, RawSocket, Socket
from bennu.reasons import CloseCode
from bennu.transports.script import FILES
from tests.support.node import JS, node_path
from tests.support.pages import ROOT

FILE: Final = FILES["phoenix.mjs"]
VENDOR: Final = FILE.parent


@pytest.fixture
def readme() -> str:
    return (VENDOR / "README.md").read_text()


def test_vendored_client_is_what_the_readme_says(readme: str) -> None:
    """The file has the hash in the README beside it."""
    digest = hashlib.sha256((VENDOR / "phoenix.mjs").read_bytes()).hexdigest()
    assert f"`{digest}`" in readme


def test_vendored_client_is_the_one_that_the_lock_names(readme: str) -> None:
    """The interop tests and the page use the same version of the same package."""
    lock = json.loads((JS / "package-lock.json").read_text())
    package = lock["packages"]["node_modules/phoenix"]
    assert f"npm `phoenix` {package['version']}," in readme
    assert f"`{package['integrity']}`" in readme


@pytest.mark.parametrize(
    ("vendored", "published"),
    [("phoenix.mjs", "priv/static/phoenix.mjs"), ("LICENSE-phoenix.md", "LICENSE.md")],
)
def test_vendored_client_is_unmodified(vendored: str, published: str) -> None:
    """The file equals the file of the package, byte for byte."""
    original = JS / "node_modules" / "phoenix" / published
    if not original.exists():
        pytest.skip("the npm packages of the interop tests are not installed, run scripts/install")
    assert (VENDOR / vendored).read_bytes() == original.read_bytes()


def test_wheel_has_the_files(tmp_path: Path) -> None:
    """A server that was installed from a wheel serves them too."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in FILES if not any(one.endswith(f"/{name}") for one in names)] == []


class Echo(RawHandler[None]):
    async def receive(self, message: str | bytes) -> str | bytes:
        return message


SOCKETS: Mapping[str, Any] = {
    "/socket": Socket(connect=lambda: None, channels={}),
    "/ws/{tenant}": Socket(connect=lambda: None, channels={}),
    "/raw": RawSocket(connect=lambda: None, handler=Echo),
}


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def started() -> Endpoint:
    endpoint = Endpoint(sockets=SOCKETS)
    await endpoint.start()
    return endpoint


@pytest.mark.parametrize("mount", ["/socket", "/ws/acme"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("phoenix.mjs", "text/javascript"),
        ("bennu.mjs", "text/javascript"),
        ("bennu.d.ts", "text/plain"),
    ],
)
async def test_each_socket_has_the_files_below_it(mount: str, name: str, kind: str) -> None:
    """Pages of any host can import the modules."""
    endpoint, path = await started(), f"{mount}/{name}"
    async with client(endpoint) as http:
        answer = await http.get(path)
        head = await http.head(path)
        post = await http.post(path)
    await endpoint.stop()
    assert answer.content == FILES[name].read_bytes()
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))
    assert post.status_code == 405


async def test_browser_that_has_it_is_told_so() -> None:
    """The file is sent again only if it has changed."""
    endpoint = await started()
    async with client(endpoint) as http:
        first = await http.get("/socket/phoenix.mjs")
        second = await http.get(
            "/socket/phoenix.mjs", headers={"If-None-Match": first.headers["etag"]}
        )
        other = await http.get("/socket/phoenix.mjs", headers={"If-None-Match": '"another"'})
    await endpoint.stop()
    assert (second.status_code, second.content) == (304, b"")
    assert other.status_code == 200


def test_our_module_is_short_and_safe() -> None:
    """A page with a strict Content-Security-Policy can load it, and nothing of it is stored or shared."""
    module = FILES["bennu.mjs"].read_text()
    assert len(module.splitlines()) < 100
    assert not re.search(r"\beval\b|Function\(|innerHTML|[sS]torage\b|cookie|import", module)


@pytest.mark.parametrize(
    "path",
    ["/phoenix.mjs", "/raw/phoenix.mjs", "/raw/bennu.mjs", "/socket/x/bennu.mjs", "/socket/my.mjs"],
)
async def test_no_other_path_is_taken(path: str) -> None:
    """An application around the endpoint keeps its files. A raw socket has no such client."""

    async def mine(request: Any) -> PlainTextResponse:
        return PlainTextResponse("mine")

    endpoint = await started()
    async with client(endpoint.wrap(Starlette(routes=[Route("/{path:path}", mine)]))) as http:
        assert (await http.get(path)).text == "mine"
        assert (await http.get("/socket/bennu.mjs")).content == FILES["bennu.mjs"].read_bytes()
    await endpoint.stop()


async def test_mounted_endpoint_has_it_below_its_mount() -> None:
    """If clients connect to /rt/socket, pages load /rt/socket/phoenix.mjs."""
    endpoint = await started()
    async with client(Starlette(routes=[Mount("/rt", endpoint)])) as http:
        assert (await http.get("/rt/socket/phoenix.mjs")).content == FILE.read_bytes()
    await endpoint.stop()


SENT: Final = """
import { Socket } from FILE;
const sent = [];
class Transport { constructor(address, protocols) { sent.push(protocols[1]); } }
for (const authToken of [() => "now", async () => "later", "text"]) {
  new Socket("ws://localhost/socket", { transport: Transport, authToken }).connect();
}
console.log(JSON.stringify(sent));
"""


def test_client_does_not_wait_for_an_auth_token() -> None:
    """As the documentation says, a function is called, a text is sent, and a promise does not work."""
    script = SENT.replace("FILE", json.dumps(FILE.as_uri()))
    command = [str(node_path()), "--input-type=module", "--eval", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    texts = []
    for protocol in json.loads(done.stdout):
        encoded = protocol.removeprefix("base64url.bearer.phx.")
        texts.append(base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    assert texts == ["now", "[object Promise]", "text"]


CLOSED: Final = """
import { Socket } from FILE;
const codes = [1000, 1001, 1002, 1007, 1008, 1009, 1011, 1012, 1013, 4001, 4003];
const back = [];
for (const code of codes) {
  let connects = 0;
  await new Promise((resolve) => {
    class Transport {
      constructor() {
        connects += 1;
        if (connects === 2) resolve(back.push(code));
        else setTimeout(() => { this.onopen(); this.readyState = 3; this.onclose({ code }); });
      }
      close() {}
    }
    const options = { transport: Transport, reconnectAfterMs: () => 1 };
    new Socket("ws://localhost/socket", options).connect();
  });
}
console.log(JSON.stringify(back));
process.exit();
"""


def test_client_comes_back_after_every_close_of_the_server() -> None:
    """docs/reasons.md says so, for every code."""
    script = CLOSED.replace("FILE", json.dumps(FILE.as_uri()))
    command = [str(node_path()), "--input-type=module", "--eval", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert set(json.loads(done.stdout)) == {one.code for one in CloseCode}
