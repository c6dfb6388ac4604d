"""Makes the adapter for an address: ``ipc:///run/chat``, ``redis://cache:6379``."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Final, NamedTuple

from ..errors import DefinitionError
from ..user_code.options import TEXT, Option
from .bus import BusAdapter
from .local import LocalAdapter

__all__ = ["BUS", "BUS_VARIABLE", "adapter_for", "given_bus", "without_password"]

BUS_VARIABLE: Final = "BENNU_PUBSUB"
"""The variable with the address of the bus, for endpoints and publishers without an address of their own."""


class _BusKind(NamedTuple):
    """What an address begins with.

    Attributes:
        module: The module of this package with the function ``adapter_for(address, node)``.
        extra: The extra of Bennu that installs the client library; None if there is none.
    """

    module: str
    extra: str | None


KINDS: Final = {
    "ipc": _BusKind(".ipc", None),
    "redis": _BusKind(".redis", "redis"),
    "rediss": _BusKind(".redis", "redis"),
    "redis+unix": _BusKind(".redis", "redis"),
    "redis+sentinel": _BusKind(".redis", "redis"),
    "rediss+sentinel": _BusKind(".redis", "redis"),
    "redis+cluster": _BusKind(".redis", "redis"),
    "rediss+cluster": _BusKind(".redis", "redis"),
    "nats": _BusKind(".nats", None),
    "tls": _BusKind(".nats", None),
    "postgresql": _BusKind(".postgresql", "postgresql"),
    "postgres": _BusKind(".postgresql", "postgresql"),
    "postgresql+asyncpg": _BusKind(
        ".postgresql", "postgresql"
    ),  # as in an application with SQLAlchemy
    "postgresql+psycopg": _BusKind(".postgresql", "postgresql"),
}
"""The buses by the scheme of their addresses."""

BUS: Final = Option(
    "the address of a bus, or a BusAdapter",
    lambda value: isinstance(value, BusAdapter) or TEXT.fits(value),
    '"redis://localhost:6379"',
    is_secret=True,  # the address as an object of another library: bytes, or a URL with its password
)
"""The option ``pubsub`` of an endpoint, and the address of a publisher."""


def given_bus(given: str | BusAdapter | None) -> str | BusAdapter | None:
    """Return the bus of ``Endpoint(pubsub=...)`` or of a publisher, or else of the variable; None without both."""
    return os.environ.get(BUS_VARIABLE) or None if given is None else given


def adapter_for(address: str, node: str | None = None) -> BusAdapter:
    """Return the adapter for an address, not started.

    Args:
        address: ``local://``, or an address of :data:`KINDS`.
        node: The name of this node. Default: None, a unique name.

    Raises:
        DefinitionError: The address can't be used, or a package is not installed.

    Example:
        >>> adapter_for("local://", "web-1").node
        'web-1'
    """
    scheme = address.partition("://")[0].lower() if "://" in address else ""
    if scheme == "local":
        return LocalAdapter(node)
    kind = KINDS.get(scheme)
    if kind is None:
        raise DefinitionError(
            "the address of the bus",
            expected=f"an address that begins with {', '.join(f'{one}://' for one in ('local', *KINDS))}",
            got=without_password(address),
            write='pubsub="redis://localhost:6379"',
        )
    try:
        module = importlib.import_module(kind.module, __package__)
    except ModuleNotFoundError as error:
        if kind.extra is None:
            raise
        raise DefinitionError(
            f"the bus {without_password(address)}",
            expected=f"the packages of bennu[{kind.extra}]",
            got=f"no module {error.name!r}",
            write=f'pip install "bennu[{kind.extra}]"',
        ) from error
    make: Callable[[str, str | None], BusAdapter] = module.adapter_for
    return make(address, node)


def without_password(address: str) -> str:
    """Return an address for the log: what stands before the last ``@``, and the query, are hidden.

    Example:
        >>> without_password("redis://chat:hunter2@cache:6379/0?token=x")
        'redis://***@cache:6379/0?***'
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    rest, question, query = rest.partition("?")
    if "@" in query:  # the ? can be a part of the password
        return f"{scheme}{separator}***"
    hidden, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{'***' if hidden else ''}{at}{place}{'?***' if question else ''}"
