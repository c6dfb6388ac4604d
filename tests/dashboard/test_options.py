"""The options of a dashboard. An error says what to write, and shows no password."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Dashboard, DefinitionError, Endpoint


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"path": "dashboard"}, "begins with /"),
        ({"path": "/dashboard/"}, "does not end with one"),
        ({"path": "/{tenant}/dashboard"}, "without variables"),
        ({"password": "short"}, "at least 12 characters"),
        ({"password": ""}, "at least 12 characters"),
        ({"password": 1234567890123}, "at least 12 characters"),
        ({"allow": "admin"}, "a function"),
        ({"password": "correct horse battery", "allow": lambda info: True}, "both"),
        ({"topics": 0}, "above 0"),
        ({"topics": 201}, "at most 200"),
        ({"logins": "often"}, "Dashboard"),
    ],
)
def test_a_mistake_is_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(DefinitionError, match=expected):
        Dashboard(**options)


def test_an_error_shows_no_password() -> None:
    with pytest.raises(DefinitionError) as raised:
        Dashboard(password="geheim")
    assert "geheim" not in str(raised.value)


def test_in_production_a_lock_is_needed() -> None:
    with pytest.raises(DefinitionError, match=r"(?s)a password or allow= in production.*PASSWORD"):
        Endpoint(sockets={}, dashboard=Dashboard(), debug=False)
    for dashboard in (
        Dashboard(password="correct horse battery"),
        Dashboard(allow=lambda info: False),
    ):
        Endpoint(sockets={}, dashboard=dashboard, debug=False)
    Endpoint(sockets={}, dashboard=Dashboard(), debug=True)


def test_an_endpoint_takes_a_dashboard_only() -> None:
    with pytest.raises(DefinitionError, match=r"dashboard=Dashboard\("):
        Endpoint(sockets={}, dashboard="/dashboard")  # type: ignore[arg-type] # the mistake
