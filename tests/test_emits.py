"""``emits``: the declaration of a class, and the check of what is sent. See also test_definition_emits.py."""

from __future__ import annotations

import pytest

from bennu import DefinitionError
from bennu.emits import check_declaration, check_emitted, undeclared
from tests.support.frames import PHX_REPLY


def test_an_event_of_the_protocol_can_not_be_declared() -> None:
    with pytest.raises(DefinitionError, match="names of events of your own"):
        check_declaration("Room", {PHX_REPLY: dict})
    with pytest.raises(DefinitionError, match="names of events of your own"):
        check_declaration("Room", {7: dict})


def test_an_empty_declaration_allows_everything() -> None:
    check_declaration("Room", {})
    check_emitted("Room", {}, "anything", object())


def test_the_error_suggests_a_declared_event() -> None:
    error = undeclared("Room", "new_mgs", ["new_msg", "typing"], "its `emits`")
    assert str(error).endswith("did you mean 'new_msg'?")
    assert "did you mean" not in str(undeclared("Room", "x", ["new_msg"], "its `emits`"))
