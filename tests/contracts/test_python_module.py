"""The module for the Python client: it passes mypy strict and ruff, and each of its methods does what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
import pytest

from bennu import Channel, Endpoint, Socket, on
from bennu.contracts import contract_of, python_types
from tests.client.in_memory import memory_client
from tests.contracts.shop import endpoint
from tests.support.memory import serve
from tests.support.mypy import MYPY_CACHE

SELECT: Final = "A,B,E,F,I,N,UP,RUF,SIM,W"

USES: Final = """
from contract import AdminChannel, Circle, Item, Order, Point, ShopChannel

from bennu.client import Client

async def right(client: Client) -> None:
    shop = ShopChannel(client, shop_id=7, payload=Params(token="t"))
    point: Point = await shop.join()
    order: Order = await shop.order(Order(item=Item(item_name="pen"), id="7"), timeout=3)
    shop.draw(Circle(radius=1.0))
    shop.on_ordered(lambda order: print(order.item.size))
    async for one in shop.ordered_events():
        print(one.id, point, order)
    await AdminChannel(client, level="high").say()
"""
WRONG: Final = """
async def wrong(client: Client, shop: ShopChannel, admin: AdminChannel) -> None:
    ShopChannel(client, shop_id="seven", payload=Params(token="t"))
    ShopChannel(client, shop_id=7)
    AdminChannel(client, level="middle")
    await shop.order(Point(x=1))
    await shop.odrer(Order(item=Item(item_name="pen"), id="7"))
    number: int = await shop.join()
    shop.on_ordered(lambda point: print(point.x))
    await admin.say(Point(x=1))
"""


def write(folder: Path, of: Endpoint = endpoint) -> str:
    text = python_types(contract_of(of, title="Shop", release="1"))
    (folder / "contract.py").write_text(text)
    return text


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=170,
    )
    return done.stdout + done.stderr


def test_it_passes_ruff(tmp_path: Path) -> None:
    """Its style, and its format."""
    write(tmp_path)
    options = ("--isolated", "--line-length", "100", "contract.py")
    assert "All checks passed" in run(
        tmp_path, "ruff", "check", "--select", SELECT, "--ignore", "E501,RUF002", *options
    )
    assert "1 file already formatted" in run(tmp_path, "ruff", "format", "--check", *options)


@pytest.mark.timeout(180)  # mypy reads its own library first
@pytest.mark.long
def test_it_passes_mypy_and_mypy_finds_each_wrong_use(tmp_path: Path) -> None:
    write(tmp_path)
    uses = USES.replace("Order, Point", "Order, Params, Point")
    (tmp_path / "uses.py").write_text(uses + WRONG)
    first = uses.count("\n") + 2
    said = run(tmp_path, "mypy", "--strict", f"--cache-dir={MYPY_CACHE}", "contract.py", "uses.py")
    lines = {line.split(":")[1] for line in said.splitlines() if line.startswith("uses.py:")}
    wrong = WRONG.strip().splitlines()[1:]
    assert lines == {str(first + number) for number in range(1, len(wrong) + 1)}, said
    assert "contract.py" not in said, said


class FakeChannel:
    """Notes the calls of the module, and answers with what a reply type decodes."""

    def __init__(self, topic: str, params: Any) -> None:
        self.topic = topic
        self.params = params
        self.calls: list[tuple[Any, ...]] = []
        self.response: Any = None

    async def join(self, reply: Any) -> Any:
        return msgspec.convert(self.response, reply)

    async def leave(self) -> None:
        self.calls.append(("leave",))

    def push(self, event: str, payload: Any, *, reply: Any, timeout: float = 10.0) -> Any:
        self.calls.append((event, payload, timeout))

        async def answer() -> Any:
            return msgspec.convert(self.response, reply)

        coroutine = answer()
        if reply is object:
            coroutine.close()
        return coroutine

    def on(self, event: str, callback: Callable[[Any], object], *, payload: Any) -> object:
        return callback(msgspec.convert(self.response, payload))

    async def events(self, event: str, payload: Any) -> AsyncIterator[Any]:
        self.calls.append((event,))
        yield msgspec.convert(self.response, payload)


class FakeClient:
    def channel(self, topic: str, params: Any = None, /) -> FakeChannel:
        return FakeChannel(topic, params)


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The module, imported."""
    made = ModuleType("contract_of_shop")
    sys.modules[made.__name__] = made
    text = python_types(contract_of(endpoint))
    exec(compile(text, made.__name__, "exec"), made.__dict__)  # noqa: S102 - our own text
    return made


async def test_a_push_and_its_reply(module: ModuleType) -> None:
    shop = module.ShopChannel(FakeClient(), shop_id=7, payload=module.Params(token="t"))
    assert (shop.channel.topic, shop.channel.params) == ("shop:7", module.Params(token="t"))
    shop.channel.response = {"x": 3, "near": {"x": 4}}
    assert (await shop.join()).near.x == 4
    item = {"itemName": "pen"}  # on the wire
    shop.channel.response = {"item": item, "id": "7", "pair": [2, "b"]}
    order = module.Order(item=module.Item(item_name="pen"), id="7")
    reply = await shop.order(order, timeout=3)
    assert (reply.pair, reply.item.size) == ((2, "b"), 3)
    await shop.leave()
    assert shop.channel.calls == [("order", order, 3), ("leave",)]


async def test_a_push_without_reply_does_not_wait(module: ModuleType) -> None:
    shop = module.ShopChannel(FakeClient(), shop_id=7, payload=module.Params(token="t"))
    shape = module.Circle(radius=1.0)
    assert shop.draw(shape) is None
    assert shop.later() is None
    assert shop.channel.calls == [("draw", shape, 10.0), ("later", {}, 10.0)]
    assert msgspec.json.encode(shape) == b'{"type":"circle","radius":1.0}'


async def test_events_of_the_server(module: ModuleType) -> None:
    shop = module.ShopChannel(FakeClient(), shop_id=7, payload=module.Params(token="t"))
    shop.channel.response = {"type": "square", "side": 1.0}
    heard: list[Any] = []
    shop.on_drawn(heard.append)
    heard += [one async for one in shop.drawn_events()]
    assert heard == [module.Square(side=1.0)] * 2
    admin = module.AdminChannel(FakeClient(), level="high")
    admin.channel.response = "low"
    admin.on_level(heard.append)
    assert heard[-1] == "low"
    assert module.StarChannel(FakeClient(), rest="x:y").channel.topic == "star:x:y"


async def test_it_talks_to_its_server(module: ModuleType) -> None:
    """With the client and the endpoint that it was written for."""
    async with serve(endpoint), memory_client(endpoint, params={"token": "t"}) as client:
        shop = module.ShopChannel(client, shop_id=7, payload=module.Params(token="t"))
        assert await shop.join() == module.Point(x=1)
        heard = shop.ordered_events()
        order = module.Order(item=module.Item(item_name="pen"), id=str(UUID(int=7)))
        assert (await shop.order(order)).item == module.Item(item_name="pen", size=3)
        assert (await anext(heard)).id == order.id
        drawn: list[Any] = []
        shop.on_drawn(drawn.append)
        shop.draw(module.Circle(radius=1.0))
        assert await shop.place(None) == module.Place()
        assert drawn == [module.Circle(radius=1.0)]
        await shop.leave()


@pytest.mark.timeout(180)  # the same
def test_names_that_would_collide(tmp_path: Path) -> None:
    """An event has the name of a method, two events have one name, and a class has a name of the module."""

    class ClientSocket(Channel):
        emits = {"said": dict[str, int], "x": dict[str, int]}  # noqa: RUF012 - a channel's
        kind: Literal["a", "b"]

        async def join(self, payload: dict[str, Any]) -> None: ...

        @on("join")
        async def first(self) -> None: ...

        @on("on_said")
        async def second(self, payload: int) -> int | str:
            return payload

        @on("say:it")
        async def third(self) -> Any: ...

        @on("say_it")
        async def fourth(self) -> dict[str, int]:
            """Say "it".

            Loudly.
            """
            return {}

    socket: Socket[Any] = Socket(connect=lambda: None, channels={"a:{kind}": ClientSocket})
    text = write(tmp_path, Endpoint(sockets={"/socket": socket}))
    assert "class ClientSocket2:" in text
    for name in ("join2", "on_said", "on_said_", "said__events", "say_it", "say_it2", "on_x"):
        assert f"def {name}(" in text
    assert "answer: int | str = await self.channel.push(" in text
    assert "payload: dict[str, Any] | None = None" in text
    said = run(tmp_path, "mypy", "--strict", f"--cache-dir={MYPY_CACHE}", "contract.py")
    assert said.startswith("Success"), said


def test_an_endpoint_without_sockets_has_a_module(tmp_path: Path) -> None:
    text = write(tmp_path, Endpoint(sockets={}))
    compile(text, "contract.py", "exec")


def test_parameters_of_topics_have_their_types(tmp_path: Path) -> None:
    """A UUID, texts, the rest of a topic; and a reply that nothing says."""

    class FileChannel(Channel):
        id: UUID
        kind: Literal["a", "b"]
        path: str

        async def join(self, payload: dict[str, int]):  # type: ignore[no-untyped-def]
            return 1

        @on("an_event_with_a_name_that_is_too_long_for_one_line")
        async def long(self, payload: dict[str, int]) -> dict[str, int]:
            return payload

    class LobbyChannel(Channel): ...

    channels = {"file:{id}:{kind}:{path:path}": FileChannel, "lobby": LobbyChannel}
    socket: Socket[Any] = Socket(connect=lambda: None, channels=channels)
    text = write(tmp_path, Endpoint(sockets={"/socket": socket}))
    assert "from uuid import UUID" in text
    assert 'id: UUID, kind: Literal["a", "b"], path: str' in text
    assert 'f"file:{id}:{kind}:{path}"' in text
    assert 'client.channel("lobby")' in text
    assert "return await self.channel.join(reply=object)" in text
    assert "return await self.channel.push(\n" in text
    compile(text, "contract.py", "exec")
