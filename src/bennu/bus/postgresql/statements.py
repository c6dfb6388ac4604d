"""The SQL that a node sends."""

from __future__ import annotations

from typing import Final

__all__ = ["NOTIFY", "SET", "SETTINGS", "USAGE"]

SETTINGS: Final = {
    "idle_session_timeout": "0",
    "lock_timeout": "5s",
    "statement_timeout": "10s",
    "tcp_keepalives_count": "3",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_user_timeout": "30s",
    "transaction_timeout": "0",
}
"""Settings of the session, as far as the server knows them. Those of the user or database can be made for short queries."""

SET: Final = """
SELECT pg_catalog.pg_backend_pid(), pg_catalog.count(pg_catalog.set_config(name, value, false))
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS wanted(name, value)
JOIN pg_catalog.pg_settings USING (name)
"""

NOTIFY: Final = """
SELECT pg_catalog.count(pg_catalog.pg_notify(channel, payload))
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS notifications(channel, payload)
"""

USAGE: Final = "SELECT pg_catalog.pg_notification_queue_usage()"
