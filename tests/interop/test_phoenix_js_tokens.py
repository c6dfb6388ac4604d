"""phoenix.js with tokens that expire, are renewed, or are refused."""

from __future__ import annotations

import pytest

from tests.interop.program import RunScript, Server
from tests.interop.scenario import Scenario, error

pytestmark = pytest.mark.interop


def test_brings_a_new_token(run_js: RunScript, server: Server) -> None:
    """The new token comes by ``socket.push`` on an open connection, and by ``authToken`` after a close.

    (1.7 has no ``authToken``.)
    """
    seen = run_js("expiry", server.url, "phoenix").finish()
    expiring = seen["expiring"]
    assert (expiring["topic"], expiring["ref"]) == ("phoenix", None)
    assert 0 < expiring["payload"]["expires_in_ms"] <= 20_000
    assert seen["bad"] == error("token_invalid")
    assert seen["good"]["status"] == "ok"
    assert 3_500_000 < seen["good"]["response"]["expires_in_ms"] <= 3_600_000
    assert (seen["kept"]["response"]["token"], seen["kept"]["closed"]) == ("first", 0)
    assert seen["short"]["status"] == "ok"
    assert seen["closed"] == {"code": 4001, "reason": "token_expired"}
    assert seen["again"]["response"]["token"] == "second"


def test_reads_why_it_was_refused(scenario: Scenario) -> None:
    """The client reads the reason, and reconnects no more often than a client that is refused by a status."""
    seen = scenario("readable")
    assert seen["told"]["reason"] == "asked to"
    assert 1000 <= seen["told"]["retry_after_ms"] <= 2000
    assert seen["closed"] == {"code": 4003, "reason": "refused", "connects": 1}
    assert seen["connects"]["readable"] == 2
    assert seen["connects"]["http"] > 2
