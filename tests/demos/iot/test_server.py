"""The server of the IoT demo, as devices and pages see it."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.testing import Clock, ConnectRefused, JoinRefused, TestChannel, TestClient, connect
from bennu_demos.iot.secret import token_of
from bennu_demos.iot.store import POINTS

from .conftest import BEGIN, SECRET, Yard


def reading(at: int, temperature: float = 20.0) -> dict[str, Any]:
    return {"at": at, "temperature": temperature, "battery": 80, "x": 10, "y": 20}


def command(
    number: int, name: str = "blink", *, device: str = "pump-7", limit: float = 30
) -> dict[str, Any]:
    return {
        "id": f"command-{number:016}",
        "device": device,
        "name": name,
        "value": 5,
        "limit": limit,
    }


async def switch_on(client: TestClient, device: str = "pump-7", **hello: str) -> TestChannel:
    return await client.join(f"device:{device}", {"name": f"Pump {device}", **hello})


async def changed(page: TestChannel, state: str, **more: Any) -> None:
    """Wait until the page has a command in this state."""
    has = {"state": state, **more}
    await page.assert_push(
        "changes",
        lambda changes: any(has.items() <= one.items() for one in changes["commands"]),
        within=5,
    )


# Devices and their telemetry.


@pytest.mark.parametrize(
    "auth_token",
    [None, "nonsense", token_of("pump-7", "another secret of 20 bytes")],
    ids=["none", "nonsense", "of another server"],
)
async def test_a_device_needs_a_token_of_this_server(yard: Yard, auth_token: str | None) -> None:
    with pytest.raises(ConnectRefused, match="token"):
        async with connect(yard.endpoint, "/devices", auth_token=auth_token):
            pass


async def test_a_device_has_no_topic_but_its_own(yard: Yard) -> None:
    async with yard.device("pump-7") as client:
        with pytest.raises(JoinRefused, match="not_your_topic"):
            await switch_on(client, "pump-8")


async def test_readings_reach_the_pages(yard: Yard) -> None:
    async with yard.operator() as operator, yard.device("pump-7") as client:
        page, pump = await operator.join("fleet"), await switch_on(client)
        assert pump.response == {"last_at": 0, "interval": None}
        assert await pump.push("telemetry", {"readings": [reading(1000), reading(2000, 21.5)]}) == {
            "last_at": 2000
        }
        await page.assert_push(
            "changes",
            lambda changes: (
                changes["devices"][:1]
                and {
                    "id": "pump-7",
                    "name": "Pump pump-7",
                    "at": 2000,
                    "temperature": 21.5,
                    "points": [[1000, 20.0], [2000, 21.5]],
                }.items()
                <= changes["devices"][0].items()
            ),
            within=5,
        )


async def test_a_reading_that_comes_twice_counts_once(yard: Yard) -> None:
    async with yard.device("pump-7") as client:
        pump = await switch_on(client)
        await pump.push("telemetry", {"readings": [reading(1000), reading(2000)]})
        client.vanish()
    async with yard.device("pump-7") as client, yard.operator() as operator:
        pump = await switch_on(client)
        assert pump.response == {"last_at": 2000, "interval": None}
        repeat = {"readings": [reading(1000), reading(2000), reading(3000)]}
        assert await pump.push("telemetry", repeat) == {"last_at": 3000}
        page = await operator.join("fleet")
        assert page.response["devices"][0]["points"] == [[1000, 20.0], [2000, 20.0], [3000, 20.0]]


async def test_a_page_gets_the_last_values_of_devices_that_are_away(yard: Yard) -> None:
    async with yard.device("pump-7") as client:
        pump = await switch_on(client)
        for number in range(1, 4):
            first = number * 1000
            await pump.push("telemetry", {"readings": [reading(first + n, n) for n in range(40)]})
    async with yard.operator() as operator:
        page = await operator.join("fleet")
        (device,) = page.response["devices"]
        assert device["at"] == 3039
        assert device["temperature"] == 39
        assert [at for at, _ in device["points"]] == [*range(2020, 2040), *range(3000, 3040)]
        assert len(device["points"]) == POINTS
        await page.assert_absent("pump-7")


@pytest.mark.parametrize("wrong", [{"battery": 101}, {"x": -1}, {"temperature": "hot"}, {"at": 0}])
async def test_a_reading_that_cannot_be_is_refused(yard: Yard, wrong: dict[str, Any]) -> None:
    async with yard.device("pump-7") as client:
        pump = await switch_on(client)
        await pump.push("telemetry", {"readings": [{**reading(1), **wrong}]}).assert_error()
        assert await pump.push("telemetry", {"readings": [reading(1)]}) == {"last_at": 1}


async def test_too_much_telemetry_is_refused_and_not_lost(yard: Yard, clock: Clock) -> None:
    async with yard.device("pump-7") as client:
        pump = await switch_on(client)
        for at in range(1, 41):
            await pump.push("telemetry", {"readings": [reading(at)]})
        await pump.push("telemetry", {"readings": [reading(41)]}).assert_error("rate_limited")
        await clock.advance(1)
        assert await pump.push("telemetry", {"readings": [reading(41)]}) == {"last_at": 41}


# Presence, and the last will.


async def test_a_device_that_loses_its_link_is_away_after_the_grace(yard: Yard) -> None:
    async with yard.operator() as operator, yard.device("pump-7") as client:
        page = await operator.join("fleet")
        await switch_on(client, will="out of fuel")
        await page.assert_present("pump-7")
        client.vanish()
        await page.assert_absent("pump-7", within=10)
        await page.assert_push(
            "changes",
            lambda changes: [one["will"] for one in changes["devices"]] == ["out of fuel"],
            within=5,
        )


async def test_a_silent_device_is_away_soon(yard: Yard, clock: Clock) -> None:
    async with yard.operator() as operator:
        page = await operator.join("fleet")
        async with connect(
            yard.endpoint, "/devices", auth_token=token_of("pump-7", SECRET), heartbeats=False
        ) as client:
            await switch_on(client)
            await page.assert_present("pump-7")
            await clock.advance(20)
            await page.assert_absent("pump-7", within=1)


async def test_a_device_that_leaves_is_away_at_once_and_has_no_will(yard: Yard) -> None:
    async with yard.operator() as operator, yard.device("pump-7") as client:
        page, pump = await operator.join("fleet"), await switch_on(client, will="out of fuel")
        await page.assert_present("pump-7")
        await pump.leave()
        await page.assert_absent("pump-7", within=1)
    async with yard.operator() as operator:
        page = await operator.join("fleet")
        assert [device["will"] for device in page.response["devices"]] == [None]


async def test_a_device_that_is_back_within_the_grace_was_never_away(yard: Yard) -> None:
    async with yard.operator() as operator:
        page = await operator.join("fleet")
        async with yard.device("pump-7") as client:
            await switch_on(client)
            await page.assert_present("pump-7")
            client.vanish()
        async with yard.device("pump-7") as client:
            await switch_on(client)
            await page.refute_push(
                "presence_diff", {"leaves": lambda leaves: "pump-7" in leaves}, within=5
            )


# Commands.


async def test_a_command_is_sent_answered_and_shown_to_all(yard: Yard) -> None:
    async with (
        yard.operator("Ann") as ann,
        yard.operator("Bo") as bo,
        yard.device("pump-7") as client,
    ):
        hers, his, pump = await ann.join("fleet"), await bo.join("fleet"), await switch_on(client)
        reply = await hers.push("command", command(1)).assert_reply(
            {"state": "pending", "by": "Ann"}
        )
        assert reply["deadline"] - reply["sent_at"] == 30_000
        got = await pump.assert_push("command", {"name": "blink", "value": 5.0})
        await changed(his, "pending", by="Ann")
        assert await pump.push("result", {"id": got["id"], "is_ok": True, "text": "blinking"}) == {}
        await changed(his, "done", answer="blinking")
        await changed(hers, "done", answer="blinking")


async def test_a_device_that_was_away_gets_the_commands_that_it_has_not_answered(
    yard: Yard, clock: Clock
) -> None:
    async with yard.operator() as operator:
        page = await operator.join("fleet")
        async with yard.device("pump-7") as client:
            pump = await switch_on(client)
            await page.push("command", command(1))
            got = await pump.assert_push("command")
            await pump.push("result", {"id": got["id"], "is_ok": True, "text": "yes"})
            await page.push("command", command(2))
            await pump.assert_push("command", {"id": command(2)["id"]})
            client.vanish()
        await page.push("command", command(3))
        await clock.advance(10)
        async with yard.device("pump-7") as client:
            pump = await switch_on(client)
            await pump.assert_push(
                "command", {"id": command(2)["id"], "left": lambda left: 0 < left <= 20}
            )
            await pump.assert_push("command", {"id": command(3)["id"]})
            await pump.refute_push("command")


async def test_a_command_times_out_and_is_not_sent_any_more(yard: Yard, clock: Clock) -> None:
    async with yard.operator() as operator, yard.device("other") as other:
        page = await operator.join("fleet")
        async with yard.device("pump-7") as client:
            await (await switch_on(client)).leave()
        await switch_on(other, "other")
        await page.push("command", command(1, limit=5))
        await clock.advance(4)
        await changed(page, "pending")
        await clock.advance(2)
        await changed(page, "timed out", answer=None)
        async with yard.device("pump-7") as client:
            pump = await switch_on(client)
            await pump.refute_push("command")


async def test_a_late_answer_is_shown_and_the_command_stays_timed_out(
    yard: Yard, clock: Clock
) -> None:
    async with yard.operator() as operator, yard.device("pump-7") as client:
        page, pump = await operator.join("fleet"), await switch_on(client)
        await page.push("command", command(1, limit=5))
        got = await pump.assert_push("command")
        await clock.advance(6)
        await changed(page, "timed out", answer=None)
        await pump.push("result", {"id": got["id"], "is_ok": True, "text": "at last"})
        await changed(page, "timed out", answer="at last")


async def test_a_refusal_of_the_device_is_shown(yard: Yard) -> None:
    async with yard.operator() as operator, yard.device("pump-7") as client:
        page, pump = await operator.join("fleet"), await switch_on(client)
        await page.push("command", command(1))
        got = await pump.assert_push("command")
        await pump.push("result", {"id": got["id"], "is_ok": False, "text": "battery too low"})
        await changed(page, "failed", answer="battery too low")
        await pump.push(
            "result", {"id": got["id"], "is_ok": True, "text": "a second answer counts nothing"}
        )
        async with yard.operator() as other:
            assert (await other.join("fleet")).response["commands"][0]["state"] == "failed"


async def test_the_interval_of_a_device_is_kept(yard: Yard) -> None:
    async with yard.operator() as operator:
        page = await operator.join("fleet")
        async with yard.device("pump-7") as client:
            pump = await switch_on(client)
            await page.push("command", command(1, "set_interval"))
            got = await pump.assert_push("command", {"name": "set_interval"})
            await pump.push("result", {"id": got["id"], "is_ok": True, "text": "every 5 s"})
            await page.assert_push(
                "changes",
                lambda changes: [one["interval"] for one in changes["devices"]] == [5.0],
                within=5,
            )
        async with yard.device("pump-7") as client:
            assert (await switch_on(client)).response["interval"] == 5.0


async def test_a_device_answers_its_own_commands_only(yard: Yard) -> None:
    async with (
        yard.operator() as operator,
        yard.device("pump-7") as one,
        yard.device("pump-8") as two,
    ):
        page, _, other = (
            await operator.join("fleet"),
            await switch_on(one),
            await switch_on(two, "pump-8"),
        )
        await page.push("command", command(1))
        await other.refute_push("command")
        await other.push(
            "result", {"id": command(1)["id"], "is_ok": True, "text": "I was not asked"}
        )
        async with yard.operator() as second:
            assert (await second.join("fleet")).response["commands"][0]["state"] == "pending"


async def test_a_command_that_is_sent_again_is_one_command(yard: Yard) -> None:
    async with yard.operator() as operator, yard.device("pump-7") as client:
        page, pump = await operator.join("fleet"), await switch_on(client)
        first = await page.push("command", command(1))
        assert await page.push("command", command(1)) == first
        async with yard.operator() as other:
            assert len((await other.join("fleet")).response["commands"]) == 1
        del pump


async def test_what_cannot_be_sent_is_refused(yard: Yard) -> None:
    async with yard.operator() as operator:
        page = await operator.join("fleet")
        await page.push("command", command(1, device="nobody")).assert_error("unknown_device")
        await page.push("command", {**command(2), "value": 0}).assert_error()
        await page.push("command", {**command(3), "name": "explode"}).assert_error()


async def test_twenty_commands_wait_for_a_device_and_no_more(yard: Yard, clock: Clock) -> None:
    async with yard.operator() as operator, yard.device("pump-7") as client:
        page = await operator.join("fleet")
        await (await switch_on(client)).leave()
        for number in range(20):
            await page.push("command", command(number, limit=300)).assert_reply()
        await clock.advance(10)
        await page.push("command", command(20)).assert_error("too_many_commands")


async def test_a_snapshot_and_what_follows_have_no_hole(yard: Yard) -> None:
    """A reading that is stored while a page joins is in its snapshot, or in the changes after it."""
    async with yard.device("pump-7") as client:
        pump = await switch_on(client)
        pushes = [pump.push("telemetry", {"readings": [reading(at)]}) for at in range(1, 31)]
        async with yard.operator() as operator:
            page = await operator.join("fleet")
            for push in pushes:
                await push.assert_reply()
            await pump.push("telemetry", {"readings": [reading(99)]})
            last = await page.assert_push(
                "changes",
                lambda changes: any(one["at"] == 99 for one in changes["devices"]),
                within=5,
            )
            others = [message.payload for message in page.pushes if message.event == "changes"]
            devices = [
                device for one in (page.response, *others, last) for device in one["devices"]
            ]
            seen = {at for device in devices for at, _ in device["points"]}
            assert seen == {*range(1, 31), 99}


async def test_the_database_has_all_after_a_restart(yard: Yard) -> None:
    async with yard.operator() as operator, yard.device("pump-7") as client:
        page, pump = await operator.join("fleet"), await switch_on(client)
        await pump.push("telemetry", {"readings": [reading(1000)]})
        await page.push("command", command(1))
    async with yard.operator() as operator:  # the endpoint was stopped and started
        page = await operator.join("fleet")
        assert page.response["now"] >= BEGIN
        assert [one["id"] for one in page.response["devices"]] == ["pump-7"]
        assert [one["state"] for one in page.response["commands"]] == ["pending"]
