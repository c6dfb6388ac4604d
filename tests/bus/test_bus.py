"""The names of the interface, and the page that explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from bennu.bus import BusAdapter, LossReason
from bennu.bus.bus import unique_name

PAGE: Final = (Path(__file__).parents[2] / "docs/bus.md").read_text()


def test_each_reason_of_a_loss_is_explained() -> None:
    assert all(f"\n| `{reason.name}` |" in PAGE for reason in LossReason)
    assert len({reason.text for reason in LossReason}) == len(LossReason)


def test_a_name_is_unique() -> None:
    assert unique_name() != unique_name()


def test_an_adapter_has_all_methods() -> None:
    """A subclass that lacks one is noticed when it is made."""

    class Incomplete(BusAdapter):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Incomplete()  # type: ignore[abstract]
