"""GET /metrics."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bennu import Channel, DefinitionError, Endpoint, Error, Metrics, Refused, Socket, on
from bennu.client import PushRefused
from bennu.metrics import memory
from bennu.metrics.board import Board
from bennu.testing import connect, running

from .scrape import Scraped, ask, scrape


class Room(Channel):
    @on("say")
    async def say(self, payload: dict[str, int]) -> dict[str, int]:
        await self.broadcast("said", payload)
        return payload

    @on("fail")
    async def fail(self) -> Error:
        return Error({"reason": "no"})

    @on("refuse")
    async def refuse(self) -> None:
        raise Refused("no")

    @on("hear")
    async def hear(self) -> None:
        await self.push("news", {})


async def enter(params: dict[str, str]) -> None:
    if "no" in params:
        raise Refused("no")


def make(metrics: Metrics | str | None = "/metrics", *, log: bool = True) -> Endpoint:
    socket = Socket(connect=enter, channels={"room:*": Room}, log=log)
    return Endpoint(sockets={"/socket": socket}, metrics=metrics)


@pytest.mark.parametrize("log", [True, False])
async def test_what_clients_do_is_counted(log: bool) -> None:
    """Also on a socket that logs nothing."""
    app = make(log=log)
    async with running(app):
        async with (
            connect(app, "/socket", heartbeats=False) as ann,
            connect(app, "/socket", heartbeats=False) as bo,
        ):
            room, other = await ann.join("room:1"), await bo.join("room:1")
            await room.push("say", {"a": 1})
            await other.assert_push("said")
            for event in ("fail", "refuse", "nothing"):
                with pytest.raises(PushRefused):
                    await room.push(event)
            room.push("hear")
            await room.assert_push("news")
            scraped = await scrape(app)
            for name, value in {
                "bennu_connections": 2,
                "bennu_connections_opened_total": 2,
                "bennu_channels": 2,
                "bennu_joins_total": 2,
                "bennu_join_seconds_count": 2,
                "bennu_connect_seconds_count": 2,
                "bennu_messages_received_total": 7,
                "bennu_deliveries_total": 2,
                "bennu_fanout_receivers_sum": 2,
                "bennu_fanout_receivers_count": 1,
                "bennu_pushes_total": 1,
            }.items():
                assert scraped.sum(name) == value, name
            assert scraped.sum("bennu_replies_total", status="ok") == 3
            assert scraped.sum("bennu_replies_total", status="error") == 3
            assert scraped.sum("bennu_handler_seconds_count", event="say") == 1
            assert scraped.sum("bennu_messages_refused_total", event="refuse") == 1
            assert scraped.sum("bennu_messages_refused_total", event="*") == 1
        scraped = await scrape(app)
        assert scraped.sum("bennu_connections") == scraped.sum("bennu_channels") == 0
        assert scraped.sum("bennu_connections_closed_total", code="none") == 2
        assert scraped.sum("bennu_channels_ended_total", end="lost") == 2


async def test_a_refused_connect_is_counted_by_its_status() -> None:
    app = make()
    async with running(app):
        with pytest.raises(Exception, match=r"no"):
            async with connect(app, "/socket", {"no": "1"}):
                pass
        scraped = await scrape(app)
        assert scraped.sum("bennu_connects_refused_total", status="403") == 1
        assert scraped.sum("bennu_connections_opened_total") == 0


async def test_counters_go_on_after_a_restart_of_the_endpoint() -> None:
    app = make()
    for opened in (1, 2):
        async with running(app), connect(app, "/socket"):
            scraped = await scrape(app)
            assert scraped.sum("bennu_connections_opened_total") == opened
            assert scraped.sum("bennu_connections") == 1


async def test_the_format_is_what_the_reader_asks_for() -> None:
    app = make()
    headers = [(b"host", b"localhost"), (b"accept", b"application/openmetrics-text; version=1.0.0")]
    async with running(app):
        status, found, body = await ask(app, headers=headers)
        assert status == 200
        assert found["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert found["cache-control"] == "no-store"
        assert list(text_string_to_metric_families(body.decode()))  # type: ignore[no-untyped-call]
        status, found, body = await ask(app)
        assert found["content-type"].startswith("text/plain; version=0.0.4")
        assert found["content-length"] == str(len(body))
        assert (await ask(app, method="HEAD"))[::2] == (200, b"")
        status, found, _ = await ask(app, method="POST")
        assert (status, found["allow"]) == (405, "GET, HEAD")


async def test_strangers_get_nothing(caplog: pytest.LogCaptureFixture) -> None:
    app = make()
    async with running(app):
        status, _, body = await ask(app, client=("10.0.0.1", 5000))
    assert status == 403
    assert b"bennu_" not in body
    assert "Refused a request to /metrics from 10.0.0.1" in caplog.text
    locked = make(Metrics("/inside/metrics", token="a" * 20))
    async with running(locked):
        status, headers, _ = await ask(locked, "/inside/metrics", client=None)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        headers = [(b"authorization", b"Bearer " + b"a" * 20)]  # type: ignore[assignment]
        assert (await ask(locked, "/inside/metrics", headers=headers))[0] == 200
    assert "Refused a request to /inside/metrics from an unknown address" in caplog.text


async def test_an_endpoint_without_metrics_has_no_such_path() -> None:
    app = make(None)
    async with running(app):
        assert (await ask(app))[0] == 404


def test_without_prometheus_client_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(DefinitionError, match=r"pip install 'bennu\[metrics\]'"):
        make()
    assert make(None).connections == 0


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """This process is worker 2 of a command."""
    monkeypatch.setattr(memory, "INHERITANCE", memory.Inheritance())
    board = Board()
    memory.inherit(board.fd, board.take(), 2)
    yield board
    board.close()


@pytest.mark.usefixtures("worker")
async def test_a_second_endpoint_of_a_worker_says_that_it_is_not_added_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = make(), make("/other")
    async with running(one), running(two):
        assert (await scrape(one)).sum("bennu_memory_bytes", worker="2") > 0
        _, _, body = await ask(two, "/other")
        assert Scraped(body.decode()).sum("bennu_memory_bytes", worker="1") > 0
    assert "those at /other are of this process only" in caplog.text
    assert "those at /metrics" not in caplog.text


@pytest.mark.usefixtures("worker")
async def test_too_many_series_are_not_added_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bennu.metrics.board.write_row", lambda *_: None)
    async with running(make()):
        assert "too many series" in caplog.text


async def test_workers_of_another_server_answer_for_themselves(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr("bennu.lifecycle.other_workers", lambda: "gunicorn runs other workers")
    async with running(make()):
        assert "gunicorn runs other workers, and each answers /metrics for itself" in caplog.text
