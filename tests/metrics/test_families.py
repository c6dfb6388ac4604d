"""All metrics of Bennu."""

from __future__ import annotations

import re

import pytest

from bennu.metrics.families import ENDS, ChannelLabels, Labels, schema_of
from bennu.metrics.schema import Family, MetricKind
from bennu.server.end import Trigger
from bennu.server.phases import TRANSITIONS, Phase

FULL = Labels(
    sockets=(("/socket", "websocket"), ("/socket", "longpoll")),
    channels=(ChannelLabels("Room", "room:*", ("say", "*")),),
    presences=("presence",),
    has_bus=True,
    has_store=True,
)
BARE = Labels(sockets=(("/raw", "websocket"),), channels=())


FAMILIES = schema_of(FULL).families


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_follow_the_conventions_of_prometheus(family: Family) -> None:
    """Names have the unit at the end, ``total`` is added by the exposition, and no label is one of Prometheus's own."""
    assert re.fullmatch(r"bennu(_[a-z]+)+", family.name)
    assert not family.name.endswith("total")
    assert family.help.endswith(".")
    assert not {"le", "worker", "job", "instance"} & set(family.labels)
    assert all(len(series) == len(family.labels) for series in family.series)
    assert (family.kind is MetricKind.HISTOGRAM) == bool(family.buckets)
    assert list(family.buckets) == sorted(family.buckets)


def test_no_two_families_have_one_name() -> None:
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))


def test_families_without_series_are_left_out() -> None:
    """An endpoint without channels, presences, bus and store has no metrics of them."""
    names = {family.name for family in schema_of(BARE).families}
    assert "bennu_connections" in names
    assert not names & {
        "bennu_joins",
        "bennu_deliveries",
        "bennu_presences",
        "bennu_bus_up",
        "bennu_store_up",
    }


def test_a_refused_event_without_a_handler_has_a_series() -> None:
    labels = BARE._replace(channels=(ChannelLabels("Room", "room:*", ("say",)),))
    schema = schema_of(labels)
    assert schema.has("bennu_messages_refused", "Room", "room:*", "*")
    assert not schema.has("bennu_handler_seconds", "Room", "room:*", "*")


def test_each_end_of_a_channel_has_a_series() -> None:
    ends = {trigger for phase, trigger in TRANSITIONS if phase is Phase.JOINED}
    assert {Trigger[end.upper()] for end in ENDS} == ends
