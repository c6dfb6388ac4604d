"""Two scrapes are compared: rates, and percentiles of what came between them."""

from __future__ import annotations

import pytest

from bennu.top.scrape import MetricsScrape, NoMetrics, ScrapeDifference, Spread

from .metered import Metered


def test_a_rate_is_the_increase_in_a_second() -> None:
    metered = Metered()
    metered.first.add("bennu_joins", "Room", "room:{id}", "ok", count=100)
    before = metered.scrape(10.0)
    metered.first.add("bennu_joins", "Room", "room:{id}", "ok", count=8)
    metered.first.add("bennu_joins", "Hall", "hall", "error", count=2)
    change = ScrapeDifference(before, metered.scrape(12.0))
    assert change.rate("bennu_joins_total") == 5.0
    assert change.rates("bennu_joins_total", "result") == {("ok",): 4.0, ("error",): 1.0}
    assert change.rates("bennu_joins_total", "result", "topic")["error", "hall"] == 1.0


def test_a_counter_that_began_again_has_increased_by_all_that_it_has() -> None:
    """Each series by itself: one is behind, the other one ahead of what it was."""
    old, new = Metered(), Metered()
    old.first.add("bennu_joins", "Room", "room:{id}", "ok", count=100)
    old.first.add("bennu_joins", "Hall", "hall", "ok", count=1)
    new.first.add("bennu_joins", "Room", "room:{id}", "ok", count=6)
    new.first.add("bennu_joins", "Hall", "hall", "ok", count=3)
    change = ScrapeDifference(old.scrape(0.0), new.scrape(1.0))
    assert change.rate("bennu_joins_total") == 6 + 2


def test_a_metric_that_is_not_there_is_zero() -> None:
    scrape = Metered().scrape(0.0)
    change = ScrapeDifference(scrape, Metered().scrape(1.0))
    assert scrape.sum("bennu_nothing") == 0
    assert not scrape.values("bennu_nothing")
    assert change.rate("bennu_nothing_total") == 0
    assert change.spread("bennu_nothing_seconds_bucket") == Spread()


def test_percentiles_are_of_the_time_between() -> None:
    """The hour before was slow, the last two seconds were fast."""
    metered = Metered()
    for _ in range(1000):
        metered.first.observe("bennu_handler_seconds", 2.0, "Room", "room:{id}", "say")
    before = metered.scrape(0.0)
    for _ in range(98):
        metered.first.observe("bennu_handler_seconds", 0.0002, "Room", "room:{id}", "say")
    for _ in range(2):
        metered.first.observe("bennu_handler_seconds", 0.2, "Hall", "hall", "wave")
    change = ScrapeDifference(before, metered.scrape(2.0))
    whole = change.spread("bennu_handler_seconds_bucket")
    assert whole.rate == 50.0
    assert whole.p50 == pytest.approx(0.0001 + 0.0004 * 50 / 98)
    assert whole.p99 == pytest.approx(0.1 + 0.15 / 2)
    by_event = change.spreads("bennu_handler_seconds_bucket", "event")
    assert by_event["wave",].rate == 1.0
    assert by_event["slow",] == Spread()


def test_a_time_beyond_the_last_bucket_is_its_bound() -> None:
    metered = Metered()
    before = metered.scrape(0.0)
    metered.first.observe("bennu_handler_seconds", 60.0, "Room", "room:{id}", "say")
    spread = ScrapeDifference(before, metered.scrape(1.0)).spread("bennu_handler_seconds_bucket")
    assert (spread.p50, spread.p99) == (10.0, 10.0)


@pytest.mark.parametrize(
    "text",
    ["", "<!doctype html>\n<p>Hello</p>", "process_cpu_seconds_total 1.0\n", 'bennu_workers{a="'],
)
def test_a_text_without_metrics_of_bennu_is_refused(text: str) -> None:
    with pytest.raises(NoMetrics, match="expected metrics of Bennu, got '"):
        MetricsScrape(text, 0.0)
