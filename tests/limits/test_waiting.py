"""What may wait for a channel without a warning."""

from __future__ import annotations

import pytest

from bennu import DefinitionError, WarnWaiting


@pytest.mark.parametrize(
    ("limit", "exceeded", "between", "over"),
    [
        (WarnWaiting(messages=4), (5, 0), (4, 0), (2, 10**9)),
        (WarnWaiting(bytes=100), (1, 101), (1, 100), (10**9, 50)),
        (WarnWaiting(messages=4, bytes=100), (1, 101), (3, 10), (2, 50)),
    ],
)
def test_a_warning_is_over_at_the_half(
    limit: WarnWaiting, exceeded: tuple[int, int], between: tuple[int, int], over: tuple[int, int]
) -> None:
    assert limit.is_exceeded(*exceeded)
    assert not limit.is_over(*exceeded)
    assert not limit.is_exceeded(*between)
    assert not limit.is_over(*between)
    assert not limit.is_exceeded(*over)
    assert limit.is_over(*over)


def test_a_warning_needs_a_number() -> None:
    with pytest.raises(DefinitionError, match=r"WarnWaiting\(messages=50\)"):
        WarnWaiting()
    with pytest.raises(DefinitionError, match="a whole number above 0"):
        WarnWaiting(messages=0)
