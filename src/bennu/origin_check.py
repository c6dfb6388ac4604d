"""Checks the Origin header by a policy of :mod:`bennu.protocol.origin`, or by a user's function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .logs.log import Log
from .protocol.origin import Origin, Policy, Requested, compile_policy
from .user_code.callback import Callback

__all__ = ["OriginCheck", "OriginPolicy"]


OriginPolicy = Policy | Callable[[Origin], bool | Awaitable[bool]]


class OriginCheck:
    """Decides whether pages of an origin may connect.

    Args:
        policy: ``"host"``, ``"conn"``, a list of origins, False for no check, or a function. The function takes the
            origin and returns True if its pages can connect. It can be async.

    Raises:
        DefinitionError: The policy is none of these.
    """

    __slots__ = ("_callback", "_check", "log")

    def __init__(self, policy: object) -> None:
        self._callback = Callback("check_origin=...", policy) if callable(policy) else None
        self._check = None if self._callback is not None else compile_policy(policy)
        self.log = Log()

    async def fits(self, origin: Origin, requested: Requested) -> bool:
        """Return whether pages of an origin may connect. If the user's function raises, they may not."""
        if self._check is not None:
            return self._check(origin, requested)
        callback = self._callback
        assert callback is not None  # noqa: S101 - for the type checkers
        try:
            found = await callback.call_on_loop(origin)
        except Exception:
            self.log.exception("check_origin crashed in %s: the page is refused", callback.name)
            return False
        if isinstance(found, bool):
            return found
        self.log.error(
            "check_origin: %s returned %r: expected True or False; the page is refused",
            callback.name,
            found,
        )
        return False
