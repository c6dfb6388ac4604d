"""The addresses of stores in SQL databases."""

from __future__ import annotations

import sys

import pytest

from bennu.errors import DefinitionError
from bennu.store.sql.address import read_sql_address


def test_an_address_is_a_url_of_sqlalchemy_with_some_more_parameters() -> None:
    read = read_sql_address(
        "PostgreSQL+asyncpg://me:p%26w@db:6000/chat?prefix=chat_&on_restart=trust&pool_size=9&ssl=require"
    )
    assert read.name == "postgresql+asyncpg://db:6000/chat"
    assert (read.prefix, read.trusts, read.pool_size, read.creates) == ("chat_", True, 9, True)
    assert read.url.password == "p&w"
    assert dict(read.url.query) == {"ssl": "require"}
    assert not read.is_sqlite
    assert "p&w" not in repr(read)
    assert read_sql_address("sqlite:///chat.db").is_sqlite
    read = read_sql_address("sqlite+aiosqlite:///chat.db?create=false")
    assert read.is_sqlite
    assert (read.name, read.creates) == ("sqlite+aiosqlite:///chat.db", False)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("mysql+aiomysql://me:hunter2@db/chat", r"begins with postgresql\+asyncpg://"),
        ("postgresql+asyncpg://me:hunter2@db:port/chat", "a URL of SQLAlchemy"),
        ("postgresql+asyncpg://me:hunter2@db/chat?prefix=1", "a prefix of 1 to 40 letters"),
        ("postgresql+asyncpg://me:hunter2@db/chat?prefix=a;b", "a prefix of 1 to 40 letters"),
        ("postgresql+asyncpg://me:hunter2@db/chat?prefix=a&prefix=b", "each parameter once"),
        ("postgresql+asyncpg://me:hunter2@db/chat?create=yes", r"create=true or false(.|\n)*yes"),
        ("postgresql+asyncpg://me:hunter2@db/chat?pool_size=0", "a pool_size from 1 to 100"),
        ("postgresql+asyncpg://me:hunter2@db/chat?pool_size=many", "a pool_size from 1 to 100"),
        ("postgresql+asyncpg://me:hunter2@db/chat?on_restart=never", "on_restart=epoch or trust"),
        ("sqlite+aiosqlite:///chat.db?on_restart=trust", "SQLite has no standbys"),
        ("sqlite+aiosqlite://", r"the path of a file(.|\n)*in memory(.|\n)*memory://"),
        ("sqlite+aiosqlite:///:memory:", "the path of a file"),
        ("sqlite+aiosqlite:///file::memory:?uri=true", "the path of a file"),
        ("sqlite+aiosqlite:///file:chat?mode=memory&uri=true", "the path of a file"),
    ],
)
def test_a_wrong_address_is_refused_without_its_password(address: str, text: str) -> None:
    with pytest.raises(DefinitionError, match=text) as caught:
        read_sql_address(address)
    assert "hunter2" not in str(caught.value)


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 1))
    with pytest.raises(DefinitionError, match=r"SQLite 3\.35 or newer"):
        read_sql_address("sqlite+aiosqlite:///chat.db")


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(DefinitionError, match=r'pip install "bennu\[sql\]" asyncpg'):
        read_sql_address("postgresql+asyncpg:///chat.db")
