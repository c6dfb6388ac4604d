"""The ends of a raw connection: by its handler, by its client, by the server; in all cases it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from bennu import (
    Draining,
    NotJoined,
    RawHandler,
    Refused,
    Stop,
)
from bennu.testing.clock import advance, settle

from ..support.memory import Over, Server, both_transports, serve
from .bad import How, killed_coroutines, misbehave
from .raws import PATH, Echo, Recording, endpoint_of, said, talking

# How it ends from inside.


ENDS: dict[str, tuple[Callable[[Any], Any], int, str, Any]] = {}


def end(code: int, text: str = "", told: Any = "normal") -> Callable[[Any], Any]:
    """Register a way to end, with the frames that the client gets and the reason for closed."""

    def enter(function: Any) -> Any:
        ENDS[function.__name__] = (function, code, text, told)
        return function

    return enter


@end(1000)
async def stop(handler: Any) -> None:
    raise Stop


@end(1000, told="shutdown:bored")
async def stop_for_a_reason(handler: Any) -> None:
    raise Stop("shutdown:bored")


@end(1012, "shutdown", told="shutdown:restart")
async def stop_for_a_restart(handler: Any) -> None:
    raise Stop("shutdown:restart")


@end(1000)
async def close(handler: Any) -> None:
    await handler.close()


@end(4321)
async def close_with_a_code(handler: Any) -> None:
    await handler.close(4321)


@end(4321, "a detail")
async def close_with_a_detail(handler: Any) -> None:
    await handler.close(4321, "a detail")


@end(4321, "first")
async def close_twice(handler: Any) -> None:
    await handler.close(4321, "first")
    await handler.close(4322, "second")


@both_transports
@pytest.mark.conformance("AD008", "AD009", "AD010", "AD012", "AD014")
@pytest.mark.parametrize("name", ENDS)
async def test_a_handler_ends_its_connection(over: Over, name: str) -> None:
    """The end is normal, with a code, with a code and a text, or for a restart."""
    function, code, text, told = ENDS[name]

    class Ending(Recording):
        async def receive(self, message: str) -> None:
            await function(self)

    async with talking(Ending, over=over) as (_, wire):
        wire.send("end")
        wire.send("this is not handled any more")
        await settle()
        assert (wire.code, wire.reason) == (code, text)
    assert Ending.reasons == [told]


@both_transports
@pytest.mark.conformance("AD011")
async def test_messages_before_the_close(over: Over) -> None:
    """Earlier messages and the reply of a Stop are sent first. Nothing is sent after the close."""

    class Ending(Recording):
        async def receive(self, message: str) -> str:
            await self.send("sent")
            if message == "stop":
                raise Stop(reply=["replied", b"twice"])
            await self.close(4000)
            await self.send("too late")
            return "too late"

    async with serve(endpoint_of(Ending)) as server:
        for message, expected in (("stop", ["sent", "replied", b"twice"]), ("close", ["sent"])):
            wire = await server.open(PATH, over=over)
            wire.send(message)
            assert await said(wire) == expected
            assert wire.code is not None


async def test_a_stop_for_a_failure() -> None:
    """The code is 1011. closed gets the reason, and the log has it too."""

    class Failing(Recording):
        async def receive(self, message: str) -> None:
            raise Stop("out of paper")

    async with talking(Failing) as (server, wire):
        wire.send("print")
        await settle()
        assert wire.code == 1011
        server.logged("stopped: out of paper")
    assert Failing.reasons == ["out of paper"]


PLACES = ["opened", "receive", "pinged", "ponged", "info", "task"]


@pytest.mark.conformance("AD013")
@pytest.mark.parametrize("place", PLACES)
async def test_an_exception_anywhere_ends_the_connection(place: str) -> None:
    """The code is 1011. closed gets the exception, and the log says where it was raised."""

    class Bad(Recording):
        def fail(self, here: str) -> None:
            if here == place:
                raise ZeroDivisionError(place)

        async def opened(self) -> None:
            self.fail("opened")
            if place == "task":
                _ = self.start(self.work())

        async def work(self) -> None:
            self.fail("task")

        async def receive(self, message: str) -> None:
            self.send_self(message)
            self.fail("receive")

        async def pinged(self, payload: bytes) -> None:
            self.fail("pinged")

        async def ponged(self, payload: bytes) -> None:
            self.fail("ponged")

        async def info(self, message: str) -> None:
            self.fail("info")

    async with talking(Bad) as (server, wire):
        wire.ping()
        wire.pong()
        wire.send("go")
        await settle()
        assert (wire.code, wire.reason) == (1011, "internal error")
        record = server.logged("A task of" if place == "task" else f"crashed in {place}")
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], ZeroDivisionError)
    assert [type(reason) for reason in Bad.reasons] == [ZeroDivisionError]


async def test_nobody_is_there_to_be_refused() -> None:
    """This protocol has no error reply, so ``raise Refused`` is a normal exception."""

    class Refusing(Recording):
        async def receive(self, message: str) -> None:
            raise Refused("no")

    async with talking(Refusing) as (server, wire):
        wire.send("please")
        await settle()
        assert wire.code == 1011
        server.logged("crashed in receive")


async def test_a_handler_that_can_not_be_made() -> None:
    """The code is 1011 on both transports. No method is called."""

    class Impossible(Recording):
        def __init__(self) -> None:
            raise LookupError("no room")

    async with serve(endpoint_of(Impossible)) as server:
        overs: list[Over] = ["native", "asgi"]
        for over in overs:
            wire = await server.open(PATH, over=over)
            await settle()
            assert wire.code == 1011
            server.logged("could not be made")
    assert Impossible.reasons == []


async def test_a_closed_that_raises() -> None:
    """The error is logged, and the connection ends nevertheless."""

    class Bad(RawHandler):
        async def receive(self, message: str) -> None: ...

        async def closed(self, reason: Any) -> None:
            raise ZeroDivisionError

    async with talking(Bad) as (server, wire):
        wire.close()
        await settle()
        assert wire.code == 1000
        server.logged("closed of", "crashed")


@pytest.mark.parametrize(
    ("code", "reason", "complaint"),
    [
        (999, "", "999"),
        (1004, "", "1004"),
        (1005, "", "1005"),
        (1006, "", "1006"),
        (1015, "", "1015"),
        (2999, "", "2999"),
        (5000, "", "5000"),
        (1000, "é" * 62, "at most 123 bytes"),
    ],
)
async def test_a_close_that_no_frame_can_say(code: int, reason: str, complaint: str) -> None:
    """``close`` raises ValueError, and the connection is unchanged."""
    errors: list[str] = []

    class Wrong(Recording):
        async def receive(self, message: str) -> str:
            try:
                await self.close(code, reason)
            except ValueError as error:
                errors.append(str(error))
            return "still here"

    async with talking(Wrong) as (_, wire):
        wire.send("go")
        assert await said(wire) == ["still here"]
    assert complaint in errors[0]


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
)
async def test_a_close_that_a_frame_can_say(code: int) -> None:
    """These are the codes that RFC 6455 allows for a server, and the codes of an application."""

    class Closing(Recording):
        async def receive(self, message: str) -> None:
            await self.close(code, "x" * 123)

    async with talking(Closing) as (_, wire):
        wire.send("go")
        await settle()
        assert (wire.code, wire.reason) == (code, "x" * 123)


# How it ends from outside.


async def client_closes(server: Server, wire: Any) -> None:
    wire.close()


async def client_vanishes(server: Server, wire: Any) -> None:
    wire.vanish()


async def client_breaks_the_protocol(server: Server, wire: Any) -> None:
    wire.transport.feed(b"\x83\x80\x00\x00\x00\x00")
    await settle()
    server.logged("broke the WebSocket protocol", level=logging.WARNING)
    await advance(5)  # it does not answer the close


async def client_is_silent(server: Server, wire: Any) -> None:
    await advance(76)


async def server_disconnects(server: Server, wire: Any) -> None:
    await server.endpoint.disconnect("ann")


async def server_stops(server: Server, wire: Any) -> None:
    await server.endpoint.stop()


@pytest.mark.conformance("AD014")
@pytest.mark.parametrize(
    ("outside", "code", "told"),
    [
        (client_closes, 1000, "closed"),
        (client_vanishes, 1006, "closed"),
        (client_breaks_the_protocol, 1002, "closed"),
        (client_is_silent, 1002, "closed"),
        (server_disconnects, 1001, "disconnected"),
        (server_stops, 1012, "shutdown"),
    ],
)
@pytest.mark.parametrize("has_closed", [True, False])
async def test_a_connection_ends(outside: Any, code: int, told: str, *, has_closed: bool) -> None:
    """closed gets the reason once. A handler need not define it."""

    class Plain(RawHandler):
        async def receive(self, message: str) -> str:
            return message

    async with talking(Echo if has_closed else Plain, query="name=ann") as (server, wire):
        wire.send("on")
        assert await said(wire) == ["on"]
        await outside(server, wire)
        await settle()
        assert wire.code == code
    assert Echo.reasons == [told] * has_closed


async def test_the_server_drains() -> None:
    """A handler can define draining. Other handlers get no message."""

    class Moving(Recording):
        async def draining(self, news: Draining) -> str:
            return f"moving within {news.within > 0}"

        async def info(self, message: str) -> str:
            return f"{message}, which is a text"

    class Indifferent(Recording):
        async def info(self, message: str) -> str:
            return f"{message}, which is a text"

    for handler, heard in ((Moving, ["moving within True"]), (Indifferent, [])):
        async with talking(handler) as (server, wire):
            await settle()
            await server.endpoint.drain()
            assert (await said(wire), wire.code) == (heard, 1012)
        assert handler.reasons == ["draining"]


async def test_a_slow_client_gets_what_stands_before_the_close() -> None:
    """The client must read on in time."""

    class Parting(Recording):
        async def receive(self, message: str) -> None:
            for number in range(3):
                await self.send(f"{number}" * 100_000)
            await self.close(4000, "that was all")

    async with talking(Parting) as (_, wire):
        wire.stop_reading()
        wire.send("go")
        assert await said(wire) == []
        wire.read_on()
        assert [text[0] for text in await said(wire)] == ["0", "1", "2"]
        assert (wire.code, wire.reason) == (4000, "that was all")


async def test_what_was_sent_before_a_goodbye_is_handled_first() -> None:
    """The close is answered when the messages before it are handled."""

    class Slow(Recording):
        async def receive(self, message: str) -> str:
            await asyncio.sleep(1)
            return message

    async with talking(Slow) as (_, wire):
        wire.send("1")
        wire.send("2")
        wire.close()
        await advance(1.5)
        assert (await said(wire), wire.code) == (["1"], None)
        await advance(1)
        assert (await said(wire), wire.code) == (["2"], 1000)
    assert Slow.reasons == ["closed"]


async def test_a_goodbye_overtaken_by_the_end() -> None:
    """A client that closes and does not wait, or is disconnected then, ends once."""

    class Slow(Recording):
        async def receive(self, message: str) -> None:
            await asyncio.sleep(1)

    async with serve(endpoint_of(Slow)) as server:
        for overtaking in (client_vanishes, server_disconnects):
            wire = await server.open(f"{PATH}?name=ann")
            wire.send("1")
            wire.close()
            await settle()
            await overtaking(server, wire)
            await advance(2)
            assert wire.code == {"client_vanishes": 1006}.get(overtaking.__name__, 1001)
    assert Slow.reasons == ["closed", "closed"]


@killed_coroutines
@pytest.mark.parametrize(("how", "seconds"), [("hangs", 5), ("ignores", 10), ("catches_all", 10)])
@pytest.mark.parametrize("outside", [client_closes, client_vanishes, server_disconnects])
async def test_a_handler_that_hangs_ends_all_the_same(
    how: How, seconds: float, outside: Any
) -> None:
    """It is cancelled after 5 s, and killed after 5 s more. Then closed runs."""

    class Hanging(Recording):
        async def receive(self, message: str) -> None:
            await misbehave(how)

    async with talking(Hanging, query="name=ann") as (server, wire):
        wire.send("hang")
        await settle()
        await outside(server, wire)
        await advance(seconds)
        assert wire.code is not None
        assert len(Hanging.reasons) == 1
        first, *more = [record.getMessage() for record in server.records]
        assert "did not finish in 5s" in first
        assert [("killed" in line) for line in more] == [True] * (how != "hangs")
        server.records.clear()


async def test_a_handler_killed_after_a_task_failed() -> None:
    """The client gets the close when the handler was killed, if it could not get it before."""

    class Worst(Recording):
        async def opened(self) -> None:
            _ = self.start(self.fail())
            await misbehave("ignores")

        async def fail(self) -> None:
            raise ZeroDivisionError

    async with talking(Worst) as (server, wire):
        await advance(10)
        assert wire.code == 1011
        assert len(server.records) == 3
        server.records.clear()
    assert [type(reason) for reason in Worst.reasons] == [ZeroDivisionError]


async def test_a_closed_that_hangs() -> None:
    """Its time is the class option terminate_timeout."""

    class Slow(RawHandler):
        terminate_timeout = 2

        async def receive(self, message: str) -> None: ...

        async def closed(self, reason: Any) -> None:
            await asyncio.Event().wait()

    async with talking(Slow) as (server, wire):
        wire.vanish()
        await advance(2)
        server.logged("closed of", "took over 2s")


async def test_what_is_said_after_the_end() -> None:
    """In closed, messages are dropped. After closed, ``send`` raises."""
    handlers: list[RawHandler] = []

    class Late(RawHandler):
        async def receive(self, message: str) -> None: ...

        async def closed(self, reason: Any) -> None:
            handlers.append(self)
            await self.send("nobody hears this")
            await self.ping()
            await self.close(4000)

    async with talking(Late) as (_, wire):
        wire.vanish()
        await settle()
        (handler,) = handlers
        for say in (handler.send("too late"), handler.ping()):
            with pytest.raises(NotJoined, match="Late"):
                await say
        with pytest.raises(NotJoined, match="Late"):
            handler.send_after(1, "too late")
