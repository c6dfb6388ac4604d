"""The presences that an endpoint is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from ..errors import DefinitionError
from .presence import Presence

__all__ = ["presences_of"]


def presences_of(given: Any) -> tuple[Presence, ...]:
    """Return the presences of ``Endpoint(presence=...)``.

    Args:
        given: A presence, or several.

    Raises:
        DefinitionError: A value is no presence, or two presences have one name.
    """
    several = isinstance(given, Iterable)
    presences = tuple(cast("Iterable[Any]", given)) if several else (given,)
    for presence in presences:
        if not isinstance(presence, Presence):
            raise DefinitionError(
                "Endpoint(presence=...)",
                expected="a Presence, or several",
                got=repr(presence),
                write="presence=Presence()",
            )
    names = [presence.name for presence in presences]
    if len(set(names)) < len(names):
        raise DefinitionError(
            "Endpoint(presence=...)",
            expected="presences with names of their own",
            got=f"the names {names}",
            write='presence=[Presence("rooms"), Presence("jobs")]',
        )
    return presences
