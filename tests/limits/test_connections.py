"""Limits on connections, counted by network."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from bennu.limits.connections import RETRY_AFTER, UNREADABLE, ConnectionLimits, Refusal, network_of
from bennu.limits.rate import Rate
from bennu.reasons import Limit

from ..support.properties import property_test


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", UNREADABLE),
        ("", UNREADABLE),
        ("1.2.3.4.5", UNREADABLE),
        (None, None),
    ],
)
def test_a_client_is_known_by_its_network(host: str | None, network: str | None) -> None:
    """The network of an IPv6 address is its /64. All values that are no address are one network."""
    assert network_of(host) == network


def test_so_many_may_be_in_at_once() -> None:
    limits = ConnectionLimits(connections=2)
    assert limits.enter("a", 0.0) is None
    assert limits.enter(None, 0.0) is None
    refusal = Refusal(Limit.CONNECTIONS, int(RETRY_AFTER))
    assert limits.enter("b", 0.0) == refusal
    assert limits.enter(None, 0.0) == refusal
    limits.leave("a")
    assert limits.enter("b", 0.0) is None


def test_so_many_of_one_network_may_be_in() -> None:
    """Other networks are not affected, and clients without an address count as no network."""
    limits = ConnectionLimits(connections_per_ip=1)
    assert limits.enter("a", 0.0) is None
    assert limits.enter("a", 0.0) == Refusal(Limit.CONNECTIONS_PER_IP, int(RETRY_AFTER))
    assert limits.enter("b", 0.0) is None
    for _ in range(5):
        assert limits.enter(None, 0.0) is None
    limits.leave("a")
    assert limits.enter("a", 0.0) is None


def test_so_fast_may_one_network_come() -> None:
    """Refused attempts count, also of clients that leave at once. The answer has the seconds to wait."""
    limits = ConnectionLimits(connects_per_ip=Rate.parse("2/minute"))
    for _ in range(2):
        assert limits.enter("a", 0.0) is None
        limits.leave("a")
    assert limits.enter("a", 0.5) == Refusal(Limit.CONNECTS_PER_IP, 30)
    assert limits.enter("b", 0.5) is None
    assert limits.enter("a", 30.5) is None


def test_rates_are_forgotten_and_places_are_not() -> None:
    """Times of one clock mean nothing on another clock, which can be far behind."""
    limits = ConnectionLimits(connections_per_ip=2, connects_per_ip=Rate(1, per=1))
    assert limits.enter("a", 1_000.0) is None
    assert limits.enter("a", 0.0) is not None
    limits.forget_rates()
    ConnectionLimits().forget_rates()
    assert limits.enter("a", 0.0) is None
    refused = limits.enter("a", 1_000.0)
    assert refused is not None
    assert refused.limit is Limit.CONNECTIONS_PER_IP


def test_a_place_is_counted_for_who_was_let_in_before() -> None:
    limits = ConnectionLimits(connections=1)
    limits.add("a")
    assert limits.enter("a", 0.0) is not None


def test_a_full_house_costs_no_tokens() -> None:
    limits = ConnectionLimits(connections=1, connects_per_ip=Rate.parse("2/minute"))
    assert limits.enter("a", 0.0) is None
    for _ in range(10):
        assert limits.enter("a", 0.0) == Refusal(Limit.CONNECTIONS, int(RETRY_AFTER))
    limits.leave("a")
    assert limits.enter("a", 0.0) is None


def test_networks_that_have_gone_are_forgotten() -> None:
    limits = ConnectionLimits(connections_per_ip=5, connects_per_ip=Rate.parse("1/second"))
    for number in range(1000):
        assert limits.enter(f"10.0.0.{number}", 0.0) is None
        limits.leave(f"10.0.0.{number}")
    assert limits.size == 1000
    assert limits.enter("10.1.0.0", 2.0) is None
    assert limits.size == 2  # its connection, and its bucket


def test_the_table_of_networks_has_a_bound() -> None:
    """If there are too many networks, the oldest are forgotten first."""
    limits = ConnectionLimits(connects_per_ip=Rate.parse("1/hour"), max_buckets=10)
    for number in range(1000):
        network = f"2001:db8:0:{number:x}::/64"
        assert limits.enter(network, 0.0) is None
        limits.leave(network)
    assert limits.size == 10
    assert limits.enter("2001:db8:0:3e7::/64", 0.0) is not None
    assert limits.enter("2001:db8:0:0::/64", 0.0) is None


steps = st.lists(
    st.tuples(st.sampled_from(["enter", "leave", "wait"]), st.sampled_from(["a", "b", None])),
    max_size=80,
)


@property_test
@given(steps, st.integers(1, 4), st.integers(1, 3))
def test_whatever_happens_the_limits_hold_and_nobody_else_is_refused(
    steps: list[tuple[str, str | None]], limit: int, limit_per_ip: int
) -> None:
    limits = ConnectionLimits(
        connections=limit,
        connections_per_ip=limit_per_ip,
        connects_per_ip=Rate.parse("3/second"),
        max_buckets=100,
    )
    inside: list[str | None] = []
    now = 0.0
    for step, network in steps:
        if step == "wait":
            now += 0.25
        elif step == "leave" and network in inside:
            inside.remove(network)
            limits.leave(network)
        elif step == "enter":
            refusal = limits.enter(network, now)
            own = Counter(inside)[network]
            if refusal is None:
                inside.append(network)
            elif refusal.limit is Limit.CONNECTIONS:
                assert len(inside) == limit
            else:
                assert network is not None
                if refusal.limit is Limit.CONNECTIONS_PER_IP:
                    assert own == limit_per_ip
        assert len(inside) <= limit
        assert all(n <= limit_per_ip for one, n in Counter(inside).items() if one is not None)
    for network in inside:
        limits.leave(network)
    assert limits.size <= 2  # only buckets
