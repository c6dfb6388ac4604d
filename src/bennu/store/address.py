"""Makes the store for an address: ``memory://``, ``redis://cache:6379``, ``sqlite+aiosqlite:///chat.db``."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Final, NamedTuple

from ..bus.address import without_password
from ..errors import DefinitionError
from ..user_code.options import TEXT, Option
from .memory import MemoryStore
from .store import Store

__all__ = ["STORE", "STORE_VARIABLE", "given_store", "given_store_source", "store_for"]

STORE_VARIABLE: Final = "BENNU_STORE"
"""The variable with the address of the store, for endpoints without an address of their own."""


class _StoreKind(NamedTuple):
    """What an address begins with.

    Attributes:
        module: The module of this package with the function ``store_for(address)``.
        extra: The extra of Bennu that installs the client library.
    """

    module: str
    extra: str


KINDS: Final = {
    "redis": _StoreKind(".redis", "redis"),
    "rediss": _StoreKind(".redis", "redis"),
    "redis+unix": _StoreKind(".redis", "redis"),
    "redis+sentinel": _StoreKind(".redis", "redis"),
    "rediss+sentinel": _StoreKind(".redis", "redis"),
    "redis+cluster": _StoreKind(".redis", "redis"),
    "rediss+cluster": _StoreKind(".redis", "redis"),
    "postgresql+asyncpg": _StoreKind(".sql", "sql"),
    "postgresql+psycopg": _StoreKind(".sql", "sql"),
    "sqlite": _StoreKind(".sql", "sql"),
    "sqlite+aiosqlite": _StoreKind(".sql", "sql"),
    "nats": _StoreKind(".nats", "nats"),
    "tls": _StoreKind(".nats", "nats"),
}
"""The stores by the scheme of their addresses."""

STORE: Final = Option(
    "the address of a store, or a Store",
    lambda value: isinstance(value, Store) or TEXT.fits(value),
    '"redis://localhost:6379"',
    is_secret=True,
)
"""The option ``store`` of an endpoint and of a publisher."""


def given_store_source(given: str | Store | None) -> str | Store | None:
    """Return the address or the store of an option ``store``, or else the address of the variable; None without both."""
    return os.environ.get(STORE_VARIABLE) or None if given is None else given


def given_store(given: str | Store | None) -> Store:
    """Return the store of ``Endpoint(store=...)``, or else of the variable, or else a store in memory.

    Raises:
        DefinitionError: The address can't be used, or a package is not installed.
    """
    source = given_store_source(given)
    if source is None:
        return MemoryStore()
    return store_for(source) if isinstance(source, str) else source


def store_for(address: str) -> Store:
    """Return the store for an address, not started.

    Args:
        address: ``memory://``, or an address of :data:`KINDS`.

    Raises:
        DefinitionError: The address can't be used, or a package is not installed.

    Example:
        >>> store_for("memory://").name
        'memory://'
    """
    scheme = address.partition("://")[0].lower() if "://" in address else ""
    if scheme == "memory":
        return MemoryStore()
    kind = KINDS.get(scheme)
    if kind is None:
        raise DefinitionError(
            "the address of the store",
            expected=f"an address that begins with {', '.join(f'{one}://' for one in ('memory', *KINDS))}",
            got=without_password(address),
            write='store="redis://localhost:6379"',
        )
    try:
        module = importlib.import_module(kind.module, __package__)
    except ModuleNotFoundError as error:
        raise DefinitionError(
            f"the store {without_password(address)}",
            expected=f"the packages of bennu[{kind.extra}]",
            got=f"no module {error.name!r}",
            write=f'pip install "bennu[{kind.extra}]"',
        ) from error
    make: Callable[[str], Store] = module.store_for
    return make(address)
