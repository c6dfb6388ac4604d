"""Logs and keys in SQL: trimming, ids, and what is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select, update

from bennu.errors import DecodeError
from bennu.store.sql.statements import SQLStatements
from bennu.store.sql.tables import SQLTables, hashed
from bennu.store.store import Claim, ClaimState, Retention
from bennu.testing.contract_store import KEEP, PLENTY, drafts, offsets

TABLES = SQLTables()
STATEMENTS = SQLStatements(TABLES, "sqlite", trusts=False)
SMALL = Retention(5, None, 86_400.0)
LONG_AGO = {"appended_at": 0}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/log.db")
    TABLES.metadata.create_all(engine)
    yield engine
    engine.dispose()


def count(connection: Any, table: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_trimmed_entries_are_deleted_when_their_ids_are_forgotten(engine: Engine) -> None:
    with engine.begin() as connection:
        for _ in range(3):
            STATEMENTS.append(connection, "t", drafts(30), SMALL)
        assert count(connection, TABLES.entries) == 90
        connection.execute(update(TABLES.entries).values(LONG_AGO))
        STATEMENTS.append(connection, "t", drafts(30), SMALL)
        assert 30 <= count(connection, TABLES.entries) <= 35
        page = STATEMENTS.read(connection, "t", 0, 100, PLENTY, SMALL)
        assert page is not None
        assert (page.newest, offsets(page.entries)) == (120, [116, 117, 118, 119, 120])


def test_entries_beyond_their_age_are_deleted(engine: Engine) -> None:
    hour = Retention(1000, 3600.0, 86_400.0)
    with engine.begin() as connection:
        STATEMENTS.append(connection, "t", drafts(40, age=4000), hour)
        connection.execute(update(TABLES.entries).values(LONG_AGO))
        STATEMENTS.append(connection, "t", drafts(40), hour)
        assert count(connection, TABLES.entries) == 40


def test_an_id_is_remembered_while_its_entry_is_there(engine: Engine) -> None:
    with engine.begin() as connection:
        old, new = drafts(3), drafts(2)
        STATEMENTS.append(connection, "t", old, KEEP)
        mixed = STATEMENTS.append(connection, "t", [old[2], new[0], old[0], new[1]], KEEP)
        assert mixed.places == [(3, 2), (4, 3), (1, 0), (5, 4)]
        assert STATEMENTS.append(connection, "t", old, KEEP).places == [(1, 0), (2, 1), (3, 2)]
        assert STATEMENTS.append(connection, "t", drafts(1), KEEP).places == [(6, 5)]


def test_a_record_whose_time_is_over_begins_a_new_epoch(engine: Engine) -> None:
    with engine.begin() as connection:
        before = STATEMENTS.append(connection, "t", drafts(3), KEEP)
        STATEMENTS.append(connection, "u", drafts(1), KEEP)
        is_t = TABLES.topics.c.id == hashed("t")
        connection.execute(update(TABLES.topics).where(is_t).values(forget_at=1))
        assert STATEMENTS.read(connection, "t", 0, 10, PLENTY, KEEP) is None
        assert list(STATEMENTS.heads(connection, ["t", "u"])) == ["u"]
        after = STATEMENTS.append(connection, "t", drafts(1), KEEP)
        assert after.epoch != before.epoch
        assert after.places == [(1, 0)]
        assert count(connection, TABLES.entries) == 2


def test_a_sweep_deletes_what_is_over(engine: Engine) -> None:
    with engine.begin() as connection:
        for number in range(250):
            STATEMENTS.append(connection, f"t{number}", drafts(1), KEEP)
        STATEMENTS.claim(connection, "k", "a", 3600.0)
        assert not STATEMENTS.sweep(connection)
        assert count(connection, TABLES.topics) == count(connection, TABLES.entries) == 250
        is_old = TABLES.topics.c.id != hashed("t7")
        connection.execute(update(TABLES.topics).where(is_old).values(forget_at=1))
        connection.execute(update(TABLES.keys).values(deadline=1))
        assert STATEMENTS.sweep(connection)
        assert not STATEMENTS.sweep(connection)
        assert count(connection, TABLES.topics) == count(connection, TABLES.entries) == 1
        assert count(connection, TABLES.keys) == 0


def test_a_key_of_a_claim_whose_time_is_over_is_free(engine: Engine) -> None:
    with engine.begin() as connection:
        assert STATEMENTS.claim(connection, "k", "a", 60.0) == Claim(ClaimState.NEW)
        connection.execute(update(TABLES.keys).values(deadline=1))
        assert not STATEMENTS.settle(connection, "k", "a", b"late", 60.0)
        assert STATEMENTS.claim(connection, "k", "b", 60.0) == Claim(ClaimState.NEW)


def test_an_entry_of_another_version_is_an_error(engine: Engine) -> None:
    with engine.begin() as connection:
        STATEMENTS.append(connection, "t", drafts(1), KEEP)
        connection.execute(update(TABLES.entries).values(draft=b"\xff" * 40))
        with pytest.raises(DecodeError):
            STATEMENTS.read(connection, "t", 0, 10, PLENTY, KEEP)


def test_a_transaction_that_is_rolled_back_leaves_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        before = STATEMENTS.append(connection, "t", drafts(1), KEEP)
    with engine.connect() as connection:
        STATEMENTS.append(connection, "t", drafts(3), KEEP)
        connection.rollback()
        assert STATEMENTS.append(connection, "t", drafts(1), KEEP) == (before.epoch, [(2, 1)])
