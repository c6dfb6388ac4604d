"""The page's helper for recovery with each phoenix.js, against a server that plays frames one by one.

Each test plays a case, and asserts on all that the page was told, in order. The numbers of messages are their offsets,
and every epoch but "f" is "e". `bare` is a callback on the channel of phoenix.js itself, which the helper can't guard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from bennu.transports.script import FILES
from tests.interop.program import Client, RunScript
from tests.interop.scripted import PlayedConnection, PlayedFrame, ScriptedServer, do, live, pushed
from tests.support.frames import PHX_ERROR, PHX_LEAVE

pytestmark = pytest.mark.interop

WIRES: Final = [
    ("phoenix-1.6", "1.0.0"),
    ("phoenix-1.6", "2.0.0"),
    ("phoenix-1.7.14", "2.0.0"),
    ("phoenix-1.7.21", "2.0.0"),
    ("phoenix", "1.0.0"),
    ("phoenix", "2.0.0"),
]
"""Packages of phoenix.js, and versions of the wire. CI runs the oldest of each version, and the newest."""

IN_CI: Final = {("phoenix-1.6", "1.0.0"), ("phoenix", "2.0.0")}


class Page:
    """A page in Node: its server, its process, and the connection that it has now."""

    def __init__(self, server: ScriptedServer, client: Client) -> None:
        self._server = server
        self._client = client
        self.connection: PlayedConnection = server.accept()

    def join(self) -> tuple[PlayedFrame, Any]:
        """Wait for a join; return it, and what it says of recovery."""
        return self.connection.join()

    def send(self, *messages: PlayedFrame) -> None:
        """Send messages in one TCP segment."""
        self.connection.send(*messages)

    def cut(self) -> None:
        """End the connection, and wait for the next one."""
        self.connection.cut()
        self.connection = self._server.accept()

    def turn(self) -> None:
        """Wait until the page has handled what was sent, and all promises that this settled."""
        self.send(do("turn"))
        self.connection.receive("turned")

    def log(self) -> list[list[Any]]:
        """Let the page end; return what it noted, but for errors of the channel."""
        self.send(do("finish"))
        log: list[list[Any]] = self._client.finish()["log"]
        return [one for one in log if one[0] != "onError"]

    def told(self) -> list[list[Any]]:
        """Let the page end; return what it was told, without what the other callbacks got."""
        return [one[:2] for one in self.log() if one[0] not in {"bare", "second"}]


OpenPage = Callable[..., Page]


@pytest.fixture(
    params=[
        pytest.param(
            (package, vsn),
            id=f"{package} V{vsn[0]}",
            marks=() if (package, vsn) in IN_CI else pytest.mark.long,
        )
        for package, vsn in WIRES
    ]
)
def open_page(request: pytest.FixtureRequest, run_js: RunScript) -> Iterator[OpenPage]:
    """Return a function that opens a page, with the options of its script."""
    package, vsn = request.param
    server = ScriptedServer()

    def open_page(**options: Any) -> Page:
        given = json.dumps({"helper": FILES["bennu.mjs"].as_uri(), **options})
        return Page(server, run_js("recoverable", server.url, package, vsn, given))

    yield open_page
    server.close()


def joined(open_page: OpenPage, **options: Any) -> tuple[Page, str]:
    """Return a page that has joined at 5 and has 6, and the token of its channel."""
    page = open_page(**options)
    join, asked = page.join()
    page.send(join.unrecovered("5:e", "new"), live(6))
    return page, asked["client"]


AT_6: Final = [["ok", "5:e"], ["said", 6]]
"""What such a page has been told."""


def test_gets_what_it_missed(open_page: OpenPage) -> None:
    """A first join is no loss. After a cut the page gets the replay, then live messages, each once."""
    page, client = joined(open_page)
    assert len(client) >= 16
    page.cut()
    join, asked = page.join()
    assert asked == {"epoch": "e", "offset": 6, "client": client}
    page.send(join.recovered("6:e", 2), join.replayed(7), join.replayed(8), live(9))
    said = [[["said", n, f"{n}:e"], ["second", n], ["bare", n]] for n in range(6, 10)]
    assert page.log() == [
        ["ok", "5:e"],
        *([kind, *rest] for kind, *rest in said[0]),
        ["recovered", 2],
        ["ok", "6:e"],
        *(one for told in said[1:] for one in told),
    ]


def test_keeps_the_params_of_the_page(open_page: OpenPage) -> None:
    """They can be a function, which is called for each join, or an object."""
    page = open_page()
    join, _ = page.join()
    assert (join.payload.keys(), join.payload["join"]) == ({"join", "recovery"}, 1)
    page.send(join.unrecovered("5:e", "new"))
    page.cut()
    assert page.join()[0].payload["join"] == 2
    page.log()
    other = open_page(params={"token": "t", "recovery": "of the page"})
    join, asked = other.join()
    assert join.payload == {"token": "t", "recovery": asked}
    assert asked.keys() == {"client"}
    other.log()


@pytest.mark.parametrize("order", ["before the reply", "in its segment", "after the reply"])
def test_takes_live_messages_from_the_reply_on(open_page: OpenPage, order: str) -> None:
    """A message before the reply is dropped: the server replays it after the reply."""
    page, _ = joined(open_page)
    page.cut()
    join, _ = page.join()
    reply, replay = join.recovered("6:e", 2), [join.replayed(7), join.replayed(8)]
    match order:
        case "before the reply":
            page.send(live(8))
            page.send(reply, *replay, live(9))
        case "in its segment":
            page.send(live(7), live(8), reply, *replay, live(9))
        case _:
            page.send(reply)
            for message in (*replay, live(9)):
                page.send(message)
    assert page.told() == [
        *AT_6,
        ["recovered", 2],
        ["ok", "6:e"],
        *(["said", n] for n in (7, 8, 9)),
    ]


def test_drops_repeats_and_other_epochs(open_page: OpenPage) -> None:
    """The callback on the channel of phoenix.js sees each of them."""
    page, _ = joined(open_page)
    page.send(live(6), live(7), live(5), live(7), live(9, "f"), live(8))
    log = page.log()
    assert [n for kind, n, *_ in log if kind == "said"] == [6, 7, 8]
    assert [n for kind, n, *_ in log if kind == "bare"] == [6, 6, 7, 5, 7, 9, 8]


def test_cut_in_a_replay_goes_on_where_it_was(open_page: OpenPage) -> None:
    """The position is that of the last message that came, and never that of the newest one."""
    page, _ = joined(open_page)
    page.cut()
    join, _ = page.join()
    page.send(join.recovered("6:e", 3), join.replayed(7))
    page.cut()
    join, asked = page.join()
    assert asked["offset"] == 7
    page.send(join.recovered("7:e", 2), join.replayed(8), join.replayed(9))
    told = page.told()
    assert [one for one in told if one[0] == "said"] == [["said", n] for n in (6, 7, 8, 9)]


def test_ignores_the_messages_of_a_join_that_timed_out(open_page: OpenPage) -> None:
    """The first join of a page is answered late: its live messages would move the position over what was missed."""
    page, client = joined(open_page)
    page.cut()
    late, _ = page.join()
    page.send(do("time out"))
    page.connection.receive(PHX_LEAVE)
    join, asked = page.join()
    assert asked == {"epoch": "e", "offset": 6, "client": client}
    page.send(live(8), late.recovered("6:e", 2), late.replayed(7), late.replayed(8), live(9))
    page.send(join.recovered("6:e", 3), *(join.replayed(n) for n in (7, 8, 9)), live(10))
    assert page.told() == [
        *AT_6,
        *(["recovered", 3], ["ok", "6:e"]),
        *(["said", n] for n in (7, 8, 9, 10)),
    ]


@pytest.mark.parametrize("reason", ["trimmed", "too_many", "epoch", "ahead", "invalid"])
def test_tells_the_page_what_is_lost(open_page: OpenPage, reason: str) -> None:
    """The page is told before `receive("ok")`, and goes on from the position of the reply."""
    page, _ = joined(open_page)
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("40:f", reason), live(41, "f"))
    assert page.told() == [*AT_6, ["missed", reason], ["ok", None], ["said", 41]]


@pytest.mark.parametrize("loads", [None, "42:f", "45:f", "42:e"])
def test_messages_wait_while_the_page_loads(open_page: OpenPage, loads: str | None) -> None:
    """Those that the loaded state has are dropped. A position of another epoch drops none."""
    page, _ = joined(open_page, isLoading=True)
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("40:f", "epoch"), live(41, "f"), pushed(1), live(42, "f"))
    page.send(live(43, "f"), do("position"), do("loaded", loads))
    page.turn()
    page.send(live(44, "f"), live(45, "f"), live(46, "f"), do("position"))
    first = 41 if loads in (None, "42:e") else int(loads.split(":")[0]) + 1
    assert page.told() == [
        *(*AT_6, ["missed", "epoch"], ["ok", None], ["pushed", 1], ["position", None]),
        *(["said", n] for n in range(first, 47)),
        ["position", "46:f"],
    ]


def test_messages_wait_through_a_cut(open_page: OpenPage) -> None:
    """What waits is in the page, so the next join starts after it."""
    page, _ = joined(open_page, isLoading=True)
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("40:e", "trimmed"), live(41))
    page.cut()
    join, asked = page.join()
    assert asked["offset"] == 41
    page.send(join.recovered("41:e", 1), join.replayed(42), do("loaded", "40:e"))
    page.turn()
    page.send(live(43))
    told = page.told()
    assert told[len(AT_6) :] == [
        *(["missed", "trimmed"], ["ok", None], ["recovered", 1], ["ok", None]),
        *(["said", n] for n in (41, 42, 43)),
    ]


def test_page_that_loads_while_it_joins(open_page: OpenPage) -> None:
    """The join said 41, and the state is newer: the reply does not move the position back."""
    page, _ = joined(open_page, isLoading=True)
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("40:e", "trimmed"), live(41))
    page.cut()
    join, asked = page.join()
    assert asked["offset"] == 41
    page.send(do("loaded", "43:e"))
    page.turn()
    page.send(join.recovered("41:e", 3), *(join.replayed(n) for n in (42, 43, 44)))
    assert page.told()[-2:] == [["ok", "43:e"], ["said", 44]]


def test_page_that_misses_more_loads_again(open_page: OpenPage) -> None:
    """The page loads once at a time. What waited is older than the second state."""
    page, _ = joined(open_page, isLoading=True)
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("40:e", "trimmed"), live(41))
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("50:e", "too_many"), live(51), do("loaded", "42:e"))
    page.turn()
    page.send(live(52), do("loaded", "51:e"))
    page.turn()
    page.send(live(53))
    assert page.told()[len(AT_6) :] == [
        *(["missed", "trimmed"], ["ok", None], ["ok", None]),
        *(["missed", "too_many"], ["said", 52], ["said", 53]),
    ]


def test_page_that_fails_to_load_tries_again_after_the_next_join(open_page: OpenPage) -> None:
    """Until then it gets its messages. The error is not swallowed."""
    page, _ = joined(open_page, isLoading=True)
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("40:e", "trimmed"), live(41), do("failed", "503"))
    page.turn()
    page.send(live(42), do("position"))
    page.cut()
    join, _ = page.join()
    page.send(join.recovered("42:e", 0), live(43), do("loaded", "43:e"), live(44))
    assert page.told()[len(AT_6) :] == [
        *(["missed", "trimmed"], ["ok", None], ["said", 41], ["error", "Error"]),
        *(["said", 42], ["position", None]),
        *(["missed", "trimmed"], ["ok", None], ["said", 44]),
    ]


@pytest.mark.parametrize(
    ("loads", "error"),
    [
        ("39:e", "missed() loaded an old state, of 39:e: expected 40 or newer"),
        (["e", 41], 'expected a position such as "17:k3x", got ["e",41]: send str(position)'),
    ],
)
def test_wrong_position_is_a_failed_load(open_page: OpenPage, loads: Any, error: str) -> None:
    """A state from a cache can be older than the reply: then the page would have a hole."""
    page, _ = joined(open_page, isLoading=True)
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("40:e", "trimmed"), live(41), do("loaded", loads))
    page.turn()
    page.send(live(42))
    log = [one for one in page.log() if one[0] in {"said", "error"}]
    assert [one[1] for one in log if one[0] == "said"] == [6, 41, 42]
    assert [one[2] for one in log if one[0] == "error"] == [error]


def test_first_load(open_page: OpenPage) -> None:
    """A page whose state came with a position joins with it, and misses nothing in between."""
    page = open_page(position="17:e")
    join, asked = page.join()
    assert (asked["epoch"], asked["offset"]) == ("e", 17)
    page.send(join.recovered("17:e", 1), join.replayed(18), live(19), do("position"))
    assert page.told() == [
        *(["recovered", 1], ["ok", "17:e"], ["said", 18], ["said", 19], ["position", "19:e"]),
    ]


def test_first_load_that_is_too_old(open_page: OpenPage) -> None:
    """The page has a state, so even its first join can miss something."""
    page = open_page(position="17:e")
    join, _ = page.join()
    page.send(join.unrecovered("40:e", "trimmed"))
    assert page.told() == [["missed", "trimmed"], ["ok", None]]


def test_channel_without_history(open_page: OpenPage) -> None:
    """Its messages pass through. Each further join can have missed some, so the page is told."""
    page = open_page()
    join, _ = page.join()
    page.send(join.reply({"hello": 1}), pushed(1), live(2)._replace(ref=None), do("position"))
    page.cut()
    join, asked = page.join()
    assert asked.keys() == {"client"}
    page.send(join.reply({}), pushed(2))
    page.turn()
    page.cut()
    page.send(page.join()[0].unrecovered("5:e", "new"), live(6))
    assert page.told() == [
        *(["ok", None], ["pushed", 1], ["said", 2], ["position", None]),
        *(["missed", "no_history"], ["ok", None], ["pushed", 2]),
        *(["missed", "no_history"], ["ok", None], ["said", 6]),
    ]


def test_refused_join_keeps_the_position(open_page: OpenPage) -> None:
    """The history is unavailable for a time: the client tries again by itself."""
    page, client = joined(open_page)
    page.cut()
    join, _ = page.join()
    page.send(join.reply({"reason": "history_unavailable"}, "error"))
    join, asked = page.join()
    assert asked == {"epoch": "e", "offset": 6, "client": client}
    page.send(join.recovered("6:e", 0), live(7))
    assert page.told() == [
        *(*AT_6, ["refused", "history_unavailable"]),
        *(["recovered", 0], ["ok", "6:e"], ["said", 7]),
    ]


def test_kicked_channel_comes_back(open_page: OpenPage) -> None:
    """After `phx_error` live messages are ignored until the next reply."""
    page, _ = joined(open_page)
    page.send(live(7)._replace(ref=None, event=PHX_ERROR, payload={}), live(9))
    join, asked = page.join()
    assert asked["offset"] == 6
    page.send(join.recovered("6:e", 3), *(join.replayed(n) for n in (7, 8, 9)))
    told = [one for one in page.told() if one[0] == "said"]
    assert told == [["said", n] for n in (6, 7, 8, 9)]


def test_heartbeats_are_not_confused_by_positions(open_page: OpenPage) -> None:
    """A position that starts with the ref of a ping or a push answers neither."""
    page, _ = joined(open_page)
    page.send(do("ping"), do("push"))
    ping, push = page.connection.receive("heartbeat"), page.connection.receive("echo")
    assert ping.ref is not None
    assert push.ref is not None
    page.send(live(int(ping.ref) + 100), live(int(push.ref) + 200), pushed(1))
    page.send(ping.reply({}), push.reply({"n": 2}))
    kinds = [one[0] for one in page.told()[len(AT_6) :]]
    assert kinds == ["said", "said", "pushed", "pong", "echoed"]


def test_handlers_come_and_go(open_page: OpenPage) -> None:
    """A handler is taken off by its number, or with all others of its event."""
    page, _ = joined(open_page)
    page.send(do("off"), live(7), do("off all"), live(8), do("on"), live(9))
    page.send(pushed(1), do("off pushed"), pushed(2))
    heard = [one[:2] for one in page.log() if one[0] in {"said", "second", "third", "pushed"}]
    assert heard == [["said", 6], ["second", 6], ["said", 7], ["third", 9], ["pushed", 1]]


def test_handler_that_throws_stops_nothing(open_page: OpenPage) -> None:
    """Other handlers get the message, it does not come again, and the error is uncaught."""
    page, _ = joined(open_page)
    page.send(do("throw"), do("on"), live(7))
    page.cut()
    join, asked = page.join()
    assert asked["offset"] == 7
    page.send(join.recovered("7:e", 1), join.replayed(8))
    heard = [one for one in page.log() if one[0] in {"error", "third"}]
    assert heard == [
        *(["third", 7], ["error", "Error", "handler of 7"]),
        *(["third", 8], ["error", "Error", "handler of 8"]),
    ]


def test_page_that_left_hears_nothing_more(open_page: OpenPage) -> None:
    """Not even what waits for its state."""
    page, _ = joined(open_page, isLoading=True)
    page.cut()
    join, _ = page.join()
    page.send(join.unrecovered("40:e", "trimmed"), live(41), do("leave"))
    leave = page.connection.receive(PHX_LEAVE)
    page.send(live(42), leave.reply({}), do("loaded"), live(43))
    assert page.told()[len(AT_6) :] == [
        *(["missed", "trimmed"], ["ok", None], ["onClose", "room:7"], ["left", "room:7"]),
    ]


@pytest.mark.parametrize("handed", [True, False])
def test_channel_made_again(open_page: OpenPage, handed: bool) -> None:
    """It starts anew, or where the former one stood if it is given that position. Its token is its own."""
    page, client = joined(open_page)
    page.send(do("leave"))
    page.send(page.connection.receive(PHX_LEAVE).reply({}))
    page.send(do("again" if handed else "again without"))
    join, asked = page.join()
    assert asked.pop("client") != client
    assert asked == ({"epoch": "e", "offset": 6} if handed else {})
    if handed:
        page.send(join.recovered("6:e", 1), join.replayed(7))
    else:
        page.send(join.unrecovered("7:e", "new"))
    page.send(live(8))
    said = [n for kind, n, *_ in page.log() if kind == "said"]
    assert said == ([6, 7, 8] if handed else [6, 8])


def test_duplicate_join(open_page: OpenPage) -> None:
    """A second channel of the topic ends the first one, whose handlers hear nothing more."""
    page, _ = joined(open_page)
    page.send(do("again"))
    leave = page.connection.receive(PHX_LEAVE)
    join, _ = page.join()
    page.send(live(7), leave.reply({}), join.recovered("6:e", 1), join.replayed(7), live(8))
    said = [n for kind, n, *_ in page.log() if kind == "said"]
    assert said == [6, 7, 8]


def test_handler_that_joins_again_does_not_get_its_message_twice(open_page: OpenPage) -> None:
    """The position has moved before the handler runs."""
    page, _ = joined(open_page)
    page.send(do("leave at 7"), live(7))
    page.connection.receive(PHX_LEAVE)
    join, asked = page.join()
    assert asked["offset"] == 7
    page.send(join.recovered("7:e", 1), join.replayed(8))
    said = [n for kind, n, *_ in page.log() if kind == "said"]
    assert said == [6, 7, 8]
