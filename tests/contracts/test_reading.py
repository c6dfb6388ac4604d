"""The contract of an endpoint: what its classes, annotations and sources say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pytest

from bennu import Channel, Count, Endpoint, History, Limits, Ok, Presence, Sample, Socket, on
from bennu.auth.session import StarletteSession
from bennu.contracts import Contract, contract_of
from bennu.contracts.model import (
    EMPTY,
    NOTHING,
    ChannelContract,
    ClientEvent,
    EventOrigin,
    ReplyContract,
    ServerEvent,
)
from bennu.reasons import Reason
from tests.contracts.shop import (
    Circle,
    Item,
    Level,
    Order,
    Params,
    Place,
    Point,
    Problem,
    Square,
    endpoint,
    endpoint_of,
)
from tests.support.frames import PHX_JOIN

if TYPE_CHECKING:
    from decimal import Decimal


@pytest.fixture(scope="module")
def shop() -> Contract:
    return contract_of(endpoint, title="Shop", release="1.2")


def channel(contract: Contract, pattern: str) -> ChannelContract:
    return next(one for _, one in contract.channels() if one.pattern == pattern)


def event(contract: Contract, name: str) -> ClientEvent:
    return next(
        one for _, of in contract.channels() for one in (of.join, *of.events) if one.name == name
    )


def read(*classes: type[Channel[Any, Any]], **options: Any) -> ChannelContract:
    """Return the contract of the first class."""
    socket: Socket[Any] = Socket(
        connect=lambda: None, channels={f"t{number}": one for number, one in enumerate(classes)}
    )
    contract = contract_of(Endpoint(sockets={"/socket": socket}, **options))
    return channel(contract, "t0")


def test_title_and_release(shop: Contract) -> None:
    """They are the author's, or those of the application's package."""
    assert (shop.title, shop.version) == ("Shop", "1.2")
    assert contract_of(endpoint).title == "tests"
    assert contract_of(endpoint).version == "0.0.0"
    assert contract_of(Endpoint(sockets={})).title == "bennu"


def test_a_socket_says_how_to_connect(shop: Contract) -> None:
    socket, raw = shop.sockets
    assert (socket.path, raw.path) == ("/socket", "/lines")
    assert socket.transports == {"websocket": "/socket/websocket", "longpoll": "/socket/longpoll"}
    assert (socket.params, raw.params) == (Params, NOTHING)
    assert (socket.text, raw.text) == ("Let in a client with a token.", "")
    assert socket.refusals == ("no token",)
    assert Reason.INVALID_PARAMS in socket.reasons
    assert (socket.auth_token, socket.has_id, raw.has_id) == (True, True, False)
    assert (socket.is_raw, raw.is_raw, raw.channels) == (False, True, ())
    assert socket.limits["rates.joins"] == "20/10s"
    assert socket.limits["max_channels"] == 100
    assert socket.subprotocols == ()


def test_a_session_and_limits_of_connections_are_part_of_a_connect() -> None:
    session = StarletteSession("at least 20 bytes of it")
    options: dict[str, Any] = {
        "connect": lambda params: None,
        "channels": {},
        "subprotocols": ["a"],
    }
    checked: Socket[Any] = Socket(session=session, **options)
    unchecked: Socket[Any] = Socket(
        session=session, check_csrf=False, websocket=False, longpoll=True, **options
    )
    contract = contract_of(
        Endpoint(sockets={"/a": checked, "/b": unchecked}, limits=Limits(connections=3))
    )
    first, second = contract.sockets
    assert (first.has_session, first.needs_csrf, second.needs_csrf) == (True, True, False)
    assert (first.params, first.subprotocols) == (Any, ("a",))
    assert second.transports == {"longpoll": "/b/longpoll"}
    assert Reason.TOO_MANY_CONNECTIONS in first.reasons


def test_channels_are_in_the_order_of_their_patterns(shop: Contract) -> None:
    assert [one.pattern for _, one in shop.channels()] == [
        "shop:{shop_id}",
        "admin:{level}",
        "star:*",
    ]
    found = channel(shop, "shop:{shop_id}")
    assert (found.name, found.text) == ("ShopChannel", "Orders of a shop.")
    assert [(one.name, one.type, one.rest) for one in found.parameters] == [("shop_id", int, False)]
    assert channel(shop, "admin:{level}").parameters[0].type is Level
    assert channel(shop, "admin:{level}").text == ""


def test_a_history_and_options_of_the_class(shop: Contract) -> None:
    found = channel(shop, "shop:{shop_id}")
    assert found.history is not None
    assert (found.history.size, found.history.ttl) == (50, 3600)
    assert found.history.ephemeral == ("typing",)
    assert found.limits["max_inbox"] == 10
    assert channel(shop, "star:*").history is None
    assert channel(shop, "star:*").limits["when_slow"] == "close"


def test_a_join(shop: Contract) -> None:
    """Its payload, its reply, and each reason to refuse it."""
    join = event(shop, PHX_JOIN)
    assert (join.payload, join.reply) == (Params, ReplyContract(Point))
    assert join.refusals == ("closed",)
    assert {Reason.INVALID_PAYLOAD, Reason.RATE_LIMITED, Reason.HISTORY_UNAVAILABLE} < {
        *join.reasons
    }
    assert channel(shop, "star:*").join.reply == ReplyContract(EMPTY)
    assert channel(shop, "star:*").join.payload is NOTHING


PUSHES = {
    "order": (Order, ReplyContract(Order, Problem)),
    "draw": (Circle | Square, ReplyContract(is_certain=False)),
    "place": (Place | None, ReplyContract(Place)),
    "image": (bytes, ReplyContract(bytes)),
    "later": (NOTHING, ReplyContract(other=Point, is_certain=False)),
    "item:add": (list[Item], ReplyContract(Item)),
    "say": (NOTHING, ReplyContract(EMPTY)),
}


@pytest.mark.parametrize("name", PUSHES)
def test_an_event_of_clients(shop: Contract, name: str) -> None:
    """Its payload and its replies are those of the handler's annotations."""
    payload, reply = PUSHES[name]
    found = event(shop, name)
    assert (found.payload, found.reply) == (payload, reply)


def test_policies_and_reasons_of_a_push(shop: Contract) -> None:
    """A reason of another method that the handler calls is one of its own."""
    order = event(shop, "order")
    assert (order.rate, order.idempotent_by, order.ttl) == ("5/second", "id", 86400)
    assert {Reason.KEY_REUSED, Reason.RATE_LIMITED, Reason.INVALID_PAYLOAD} < {*order.reasons}
    assert order.text == "Order something.\n\nIt is paid later."
    assert event(shop, "image").reasons == (
        Reason.UNMATCHED_TOPIC,
        Reason.INVALID_PAYLOAD,
        Reason.BINARY_UNSUPPORTED,
    )
    assert event(shop, "later").refusals == ("not yet",)
    assert event(shop, "later").reasons == (Reason.UNMATCHED_TOPIC,)


def test_a_class_without_emits_sends_what_its_source_says(shop: Contract) -> None:
    found = channel(shop, "shop:{shop_id}").sends
    assert {one.name: one.payload for one in found if one.origin is EventOrigin.INFERRED} == {
        "ordered": Order,
        "drawn": Circle | Square,
        "point": Point,
        "image": bytes,
    }
    assert [one.name for one in found if one.origin is EventOrigin.PRESENCE] == [
        "presence_state",
        "presence_diff",
    ]


def test_a_class_with_emits_sends_what_it_declares(shop: Contract) -> None:
    """What its source sends besides is listed as undeclared."""
    found = channel(shop, "admin:{level}")
    assert found.sends == (ServerEvent("said", Point), ServerEvent("level", Level))
    assert found.undeclared == ("sad",)
    assert found.takes_any == ReplyContract(dict[str, Any])
    assert EventOrigin.DECLARED.meaning == "declared in `emits`"


def test_several_payloads_of_one_event_are_a_union() -> None:
    class Two(Channel):
        @on("a")
        async def first(self) -> None:
            await self.push("x", Point(1))
            await self.push("x", Circle(1))
            await self.push("y", Point(1))
            await self.push("y", Ellipsis)

    found = {one.name: one.payload for one in read(Two).sends}
    assert found == {"x": Point | Circle, "y": Any}


def test_an_annotation_that_is_only_for_type_checkers_is_unknown() -> None:
    class Only(Channel):
        @on("price")
        async def price(self) -> Decimal:
            raise NotImplementedError

        @on("nothing")
        async def nothing(self):  # type: ignore[no-untyped-def]
            return 1

    price, nothing = read(Only).events
    assert price.reply == nothing.reply == ReplyContract(Any, is_certain=False)


T = TypeVar("T")


class Base(Channel, Generic[T]):
    @on("get")
    async def get(self, payload: T) -> T:
        return payload


def test_variables_of_a_generic_class_are_bound() -> None:
    class Bound(Base[Point]): ...

    [found] = read(Bound).events
    assert (found.payload, found.reply.ok) == (Point, Point)


def test_a_bare_ok_has_the_types_that_the_source_returns() -> None:
    class Bare(Channel):
        @on("one")
        async def one(self) -> Ok | None:
            return Ok(Point(1))

        @on("two")
        async def two(self) -> Ok:
            return Ok(self.state)

    one, two = read(Bare).events
    assert one.reply == ReplyContract(Point, is_certain=False)
    assert two.reply == ReplyContract(Any)


def test_a_presence_that_the_source_does_not_name_is_any_of_the_endpoint() -> None:
    class Someone(Channel):
        async def after_join(self) -> None:
            await self.state.presence.push_state(self)

    presences = [Presence("a", mode=Sample(3)), Presence("b", mode=Count())]
    names = [one.name for one in read(Someone, presence=presences).sends]
    assert names == ["presence_state", "presence_diff", "presence_count"]


def test_events_whose_names_are_not_in_the_source_are_noted() -> None:
    class Relay(Channel):
        @on("say")
        async def say(self, payload: dict[str, str]) -> None:
            await self.push(payload["event"], payload)

    assert read(Relay).sends_more
    assert not read(type("Silent", (Channel,), {})).sends_more


def test_a_history_by_topic_is_noted() -> None:
    class Some(Channel):
        history = History.by_topic(lambda topic: History() if topic else None)

    history = read(Some).history
    assert history is not None
    assert history.by_topic


def test_a_handler_that_replies_later_has_a_reply_of_any_type() -> None:
    class Later(Channel):
        @on("render")
        async def render(self) -> None:
            _ = self.start(self.finish(self.ref()))

        async def finish(self, ref: Any) -> None:
            await ref.reply({})

    [found] = read(Later).events
    assert found.reply == ReplyContract(Any, is_certain=False)


def test_an_endpoint_of_the_shop_need_not_be_started() -> None:
    assert not endpoint_of().is_started
