"""The topic table, for people and for tools."""

from __future__ import annotations

import json

import pytest

from bennu import Endpoint
from bennu.contracts import contract_of, listing, topic_table
from bennu.contracts.model import ChannelContract, HistoryContract, SocketContract
from bennu.contracts.table import channel_facts, duration, socket_facts
from tests.contracts.shop import endpoint

WIDE = """\
/socket  websocket, longpoll
  connect(Params) · auth token · rates.joins 20/10s · refuses "no token"

shop:{shop_id}  ShopChannel(shop_id: int)
  join                  Params -> Point                  refuses "closed"
  in    order           Order -> Order | Error[Problem]  5/second · once per id in 1 day
  in    draw            Circle | Square
  in    place           Place | None -> Place
  in    image           bytes -> bytes
  in    later           -> Reply[Point] | no reply       refuses "not yet"
  in    item:add        list[Item] -> Item
  out   ordered         Order                            from the source
  out   drawn           Circle | Square                  from the source
  out   point           Point                            from the source
  out   image           bytes                            from the source
  out   presence_state  dict[str, PresentKey]            presence
  out   presence_diff   PresenceDiff                     presence
  history of 50 for 1 hour, not typing · max_inbox 10

admin:{level}  AdminChannel(level: Level)
  join             -> {}
  in    say        -> {}
  in    any other  any -> dict[str, any]
  out   said       Point
  out   level      Level
  out   sad                               not in `emits`: an error in development

star:*  StarChannel
  join    -> {}

/lines  websocket
  a raw socket: it has no topics
  connect() · no id"""


def test_the_table_at_100_columns() -> None:
    assert topic_table(contract_of(endpoint)) == WIDE


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    """A line that is longer has one word that can't be broken."""
    lines = topic_table(contract_of(endpoint), width).splitlines()
    assert all(len(one) <= max(width, 40) for one in lines)


def test_notes_have_lines_of_their_own_in_a_narrow_terminal() -> None:
    lines = topic_table(contract_of(endpoint), 60).splitlines()
    start = lines.index("  in    order           Order -> Order | Error[Problem]")
    assert lines[start + 1].strip() == "5/second · once per id in 1 day"


def test_facts_of_sockets_and_channels() -> None:
    """What is as usual is not shown."""
    socket = SocketContract(
        "/socket",
        has_session=True,
        needs_csrf=True,
        can_refresh=True,
        subprotocols=("a", "b"),
    )
    assert socket_facts(socket) == [
        "connect()",
        "session with _csrf_token",
        "tokens can be renewed",
        "subprotocols a, b",
        "no id",
    ]
    history = HistoryContract(1000, None, by_topic=True)
    limits: dict[str, int | float | str] = {"max_inbox": 64, "overflow": "drop_oldest"}
    channel = ChannelContract("t", "Room", history=history, limits=limits, sends_more=True)
    assert channel_facts(channel) == [
        "history of 1,000, by topic",
        "overflow drop_oldest",
        "sends events whose names the source does not say",
    ]


def test_an_endpoint_without_sockets() -> None:
    assert topic_table(contract_of(Endpoint(sockets={}))) == "The endpoint has no socket."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (0.5, "0.5 seconds"),
        (60, "1 minute"),
        (7200, "2 hours"),
        (172_800, "2 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_listing_is_json_with_schemas() -> None:
    found = json.loads(json.dumps(listing(contract_of(endpoint, title="Shop", release="1"))))
    socket, raw = found["sockets"]
    shop, admin, _ = socket["channels"]
    assert (found["title"], socket["path"], raw["raw"]) == ("Shop", "/socket", True)
    assert socket["params"] == {"type": "Params", "schema": {"$ref": "#/components/schemas/Params"}}
    assert raw["params"] is None
    assert shop["topic"] == "shop:{shop_id}"
    assert shop["class"] == "tests.contracts.shop.ShopChannel"
    assert shop["parameters"] == [
        {"name": "shop_id", "rest": False, "type": "int", "schema": {"type": "integer"}}
    ]
    order = next(one for one in shop["in"] if one["event"] == "order")
    assert order["reply"]["ok"]["type"] == "Order"
    assert order["reply"]["always"]
    assert order["reasons"]["own"] == []
    assert shop["history"] == {
        "size": 50,
        "ttl": 3600.0,
        "ephemeral": ["typing"],
        "by_topic": False,
    }
    assert (admin["history"], admin["undeclared"]) == (None, ["sad"])
    assert admin["out"][0]["origin"] == "declared"
    assert "Order" in found["components"]["schemas"]
