"""Random numbers of a test that can be replayed: a test that fails says its seed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from typing import Final

__all__ = ["VARIABLE", "seeded"]

VARIABLE: Final = "BENNU_SEED"
"""The variable with the seed of a run that is replayed."""


@contextmanager
def seeded(seed: int | None = None) -> Generator[Random]:
    """Give a test random numbers. If the test fails, its error says the seed.

    Args:
        seed: The seed. Default: the variable ``BENNU_SEED``, or else a new seed for each run.

    Example:
        >>> with seeded(7) as random:
        ...     random.randrange(100)
        41
    """
    given = os.environ.get(VARIABLE)
    if seed is None:
        seed = int(given) if given else secrets.randbelow(2**32)
    try:
        yield Random(seed)  # noqa: S311 - it must be replayable, not secret
    except BaseException as error:
        error.add_note(f"The seed was {seed}. To replay it: {VARIABLE}={seed}")
        raise
